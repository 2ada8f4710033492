// Mounts Clerk's sign-in or sign-up form in [data-clerk-widget].

const container = document.querySelector("[data-clerk-widget]");

async function show({ clerkWidget, target, signIn, signUp }) {
  await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } });
  if (window.Clerk.isSignedIn) {
    window.location.replace(target);
    return;
  }
  const options = { forceRedirectUrl: target, signInUrl: signIn, signUpUrl: signUp };
  const mount = clerkWidget === "sign-up" ? "mountSignUp" : "mountSignIn";
  container.replaceChildren();
  window.Clerk[mount](container, options);
}

function fail() {
  container.querySelector(".widget__wait")?.setAttribute("hidden", "");
  container.querySelector(".widget__failed")?.removeAttribute("hidden");
}

if (container) {
  // Module scripts run after deferred scripts, so Clerk failed to load if it is still missing.
  (window.Clerk ? show(container.dataset) : Promise.reject(new Error("no Clerk"))).catch(fail);
}
