// Links back to the visitor's search, if the visitor came from the directory. The cached page cannot contain the
// search.

const link = document.querySelector("[data-back]");
const referrer = document.referrer && new URL(document.referrer);

if (referrer && referrer.origin === location.origin && referrer.pathname === link.pathname) link.search = referrer.search;
