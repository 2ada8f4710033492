import time

import psutil

from tests.bench.cpu_time import cpu_seconds


class TestCpuSeconds:
    def test_less_than_a_tick_is_measured(self) -> None:
        before, own_before = cpu_seconds([psutil.Process()]), time.process_time()
        while time.process_time() - own_before < 0.003:
            pass
        spent, own = cpu_seconds([psutil.Process()]) - before, time.process_time() - own_before
        assert spent >= 0.003
        assert abs(spent - own) < 0.002

    def test_ended_process_is_ignored(self) -> None:
        ended = psutil.Popen(["true"])
        ended.wait()
        assert cpu_seconds([ended]) == 0
