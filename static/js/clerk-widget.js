// Mounts Clerk's sign-in form, sign-up form or user profile in [data-clerk-widget].

// By default, the profile is as wide as the window and would extend beyond the page's margins.
const PROFILE_OPTIONS = { appearance: { elements: { rootBox: { width: "100%" }, cardBox: { width: "100%" } } } };

const container = document.querySelector("[data-clerk-widget]");
const failed = container?.querySelector(".widget__failed");

function showForm({ clerkWidget, target, signIn, signUp }) {
  if (window.Clerk.isSignedIn) {
    window.location.replace(target);
    return;
  }
  const options = { forceRedirectUrl: target, signInUrl: signIn, signUpUrl: signUp };
  const mount = clerkWidget === "sign-up" ? "mountSignUp" : "mountSignIn";
  container.replaceChildren();
  window.Clerk[mount](container, options);
}

function showProfile({ signIn }) {
  if (!window.Clerk.isSignedIn) {
    window.location.replace(signIn);
    return;
  }
  container.replaceChildren();
  window.Clerk.mountUserProfile(container, PROFILE_OPTIONS);
  // The session is undefined while Clerk replaces it, and null after it has ended.
  window.Clerk.addListener(({ session }) => session === null && window.location.replace(signIn));
}

async function show(data) {
  await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } });
  const render = data.clerkWidget === "user-profile" ? showProfile : showForm;
  render(data);
}

function fail() {
  failed.hidden = false;
  container.replaceChildren(failed);
}

if (container) {
  // Module scripts run after deferred scripts, so Clerk failed to load if it is still missing.
  (window.Clerk ? show(container.dataset) : Promise.reject(new Error("no Clerk"))).catch(fail);
}
