// Refreshes the session token. Reloads the page after a sign-out in another tab, or when a token that it is waiting for
// arrives.

async function keepFresh() {
  const { Clerk } = window;
  if (!Clerk) return;
  await Clerk.load();
  if (document.querySelector("[data-confirming]")) {
    await Clerk.session?.getToken({ skipCache: true });
    window.location.reload();
  }
  let wasSignedIn = Clerk.isSignedIn;
  Clerk.addListener(({ session }) => {
    if (wasSignedIn && !session) window.location.reload();
    wasSignedIn = Boolean(session);
  });
}

keepFresh();
