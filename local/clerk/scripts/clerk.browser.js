// Replaces the part of clerk-js 6 that the product uses.
// It refreshes the session token in the page's cookies, and detects when the session ends.

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

  function setCookies(cookies) {
    for (const line of cookies) document.cookie = line;
    seenUat = cookie("__client_uat");
  }

  async function call(method, path, body) {
    const url = new URL(path, api);
    const devBrowser = cookie("__clerk_db_jwt");
    if (devBrowser) url.searchParams.set("__clerk_db_jwt", devBrowser);
    const options = { method, credentials: "include" };
    if (body) Object.assign(options, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    const response = await fetch(url, options);
    const data = await response.json();
    if (!response.ok) throw Object.assign(new Error(data.errors[0].message), { status: response.status });
    return data;
  }

  function update({ response }) {
    client = response;
    setCookies(client.cookies);
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
      const token = await call("POST", `/v1/client/sessions/${Clerk.session.id}/tokens`);
      setCookies(token.cookies);
      return token.jwt;
    } catch (error) {
      if (error.status === 404) update(await call("GET", "/v1/client"));
      return null;
    }
  }

  async function poll() {
    try {
      if (cookie("__client_uat") !== seenUat) update(await call("GET", "/v1/client"));
      else await getToken();
    } catch {
      // The stand-in cannot be reached. Try again at the next poll.
    }
  }

  async function start(options) {
    ui = options?.ui?.ClerkUI ? new options.ui.ClerkUI() : null;
    update(await call("GET", "/v1/client"));
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
    mountSignIn: (container, options) => ui.signIn(container, options, Clerk),
    __internal_openReverification: (options) => ui.verify(options, Clerk),
    buildUserProfileUrl: () => new URL("/user", api).href,
    mountUserProfile: (container) => ui.userProfile(container, Clerk),
    mountSignUp: (container, options) => ui.signUp(container, options, Clerk),
    /** For ui.browser.js only. */
    async __start(path, data) {
      update(await call("POST", path, data));
    },
  };
  window.Clerk = Clerk;
})();
