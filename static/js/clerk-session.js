// Keeps the session token of an open page fresh, and reloads the page if the user signs out in another tab.

async function keepFresh() {
  const { Clerk } = window;
  if (!Clerk) return;
  await Clerk.load();
  let wasSignedIn = Clerk.isSignedIn;
  Clerk.addListener(({ session }) => {
    if (wasSignedIn && !session) window.location.reload();
    wasSignedIn = Boolean(session);
  });
}

keepFresh();
