// Shows Clerk's sign-in or sign-up form where the page has a place for it.

const place = document.querySelector("[data-clerk-widget]");

async function show({ clerkWidget, target, signIn, signUp }) {
  await window.Clerk.load({ ui: { ClerkUI: window.__internal_ClerkUICtor } });
  if (window.Clerk.isSignedIn) {
    window.location.replace(target);
    return;
  }
  const ways = { forceRedirectUrl: target, signInUrl: signIn, signUpUrl: signUp };
  const mount = clerkWidget === "sign-up" ? "mountSignUp" : "mountSignIn";
  place.replaceChildren();
  window.Clerk[mount](place, ways);
}

function fail() {
  place.querySelector(".widget__wait")?.setAttribute("hidden", "");
  place.querySelector(".widget__failed")?.removeAttribute("hidden");
}

if (place) {
  // Module scripts run after deferred ones, so Clerk's are here by now, or never will be.
  (window.Clerk ? show(place.dataset) : Promise.reject(new Error("no Clerk"))).catch(fail);
}
