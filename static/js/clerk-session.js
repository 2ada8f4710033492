// Keeps the session of an open page fresh, and notices when it ends in another tab.

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
