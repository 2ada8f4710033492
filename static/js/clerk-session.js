// Keeps the session token fresh. Reloads the page on sign-out in another tab, or with the token that it waits for.

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
