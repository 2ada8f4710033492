"""Send mutated requests to the whole application, and fail on any 500 or unhandled exception: `make fuzz`.

    make fuzz                                           # 100,000 requests
    make fuzz ARGS="--requests=5000 --seed=7"           # fewer, with another seed
    make fuzz ARGS="--seed=7 --only='directory:123'"    # one request of an earlier run, with its traceback

A request is the WSGI environment that gunicorn would build. It starts as a valid request and is then mutated. Each request
has a separate random generator, which is seeded with the run's seed, the target and the request's index.
"""
