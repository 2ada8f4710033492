// Links back to the visitor's directory search, which a cached page cannot contain.

const link = document.querySelector("[data-back]");
const referrer = document.referrer && new URL(document.referrer);

if (referrer && referrer.origin === location.origin && referrer.pathname === link.pathname) link.search = referrer.search;
