// Stands in for clerk-js 6 on this machine: the part of it that the product uses.
// It keeps the session's token fresh in the cookies of the page, and notices when the session ends.

(() => {
  const api = new URL(document.currentScript.src).origin;
  const POLL_MS = 5000;
  const REFRESH_BEFORE_S = 17;
  const listeners = new Set();
  let client = null;
  let loading = null;
  let ui = null;
  let seenUat = "";

  function cookie(name) {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
    return found ? found.slice(name.length + 1) : "";
  }

  function keep(cookies) {
    for (const line of cookies) document.cookie = line;
    seenUat = cookie("__client_uat");
  }

  async function ask(method, path, body) {
    const url = new URL(path, api);
    const browser = cookie("__clerk_db_jwt");
    if (browser) url.searchParams.set("__clerk_db_jwt", browser);
    const options = { method, credentials: "include" };
    if (body) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    const response = await fetch(url, options);
    const answer = await response.json();
    if (!response.ok) throw Object.assign(new Error(answer.errors[0].message), { status: response.status });
    return answer;
  }

  function learn({ response }) {
    client = response;
    keep(client.cookies);
    for (const listener of listeners) listener({ client, session: Clerk.session, user: Clerk.user });
  }

  function expiresInS() {
    try {
      const claims = JSON.parse(atob(cookie("__session").split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
      return claims.exp - Date.now() / 1000;
    } catch {
      return 0;
    }
  }

  async function getToken({ skipCache = false } = {}) {
    if (!Clerk.session) return null;
    if (!skipCache && expiresInS() > REFRESH_BEFORE_S) return cookie("__session");
    try {
      const answer = await ask("POST", `/v1/client/sessions/${Clerk.session.id}/tokens`);
      keep(answer.cookies);
      return answer.jwt;
    } catch (error) {
      if (error.status === 404) learn(await ask("GET", "/v1/client"));
      return null;
    }
  }

  async function poll() {
    try {
      if (cookie("__client_uat") !== seenUat) learn(await ask("GET", "/v1/client"));
      else await getToken();
    } catch {
      // The stand-in is away; the next round may find it.
    }
  }

  async function start(options) {
    ui = options?.ui?.ClerkUI ? new options.ui.ClerkUI() : null;
    learn(await ask("GET", "/v1/client"));
    setInterval(poll, POLL_MS);
    document.addEventListener("visibilitychange", () => document.hidden || poll());
  }

  const Clerk = {
    load: (options) => (loading ??= start(options)),
    get client() {
      return client;
    },
    get session() {
      const session = client?.sessions[0];
      return session ? { ...session, getToken } : null;
    },
    get user() {
      return client?.sessions[0] ? { id: client.sessions[0].user_id } : null;
    },
    get isSignedIn() {
      return Boolean(client?.sessions[0]);
    },
    addListener(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    mountSignIn: (place, options) => ui.signIn(place, options, Clerk),
    mountSignUp: (place, options) => ui.signUp(place, options, Clerk),
    /** For ui.browser.js only. */
    async __begin(path, facts) {
      learn(await ask("POST", path, facts));
    },
  };
  window.Clerk = Clerk;
})();
