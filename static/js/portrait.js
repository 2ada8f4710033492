// Removes broken portraits, or the initials behind loaded portraits, which can be transparent.

const portraits = ".portrait__initials + img";
const settle = (image) => (image.naturalWidth ? image.previousElementSibling : image).remove();
const check = ({ target }) => target.matches?.(portraits) && settle(target);

document.addEventListener("error", check, true);
document.addEventListener("load", check, true);
for (const image of document.querySelectorAll(portraits)) if (image.complete) settle(image);
