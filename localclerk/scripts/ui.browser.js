// Stands in for Clerk's components: sign in by choosing a person, sign up by saying who one is.

(() => {
  function element(name, facts = {}, ...inside) {
    const made = Object.assign(document.createElement(name), facts);
    made.append(...inside);
    return made;
  }

  function note(text) {
    return element("p", { className: "widget__note", textContent: text });
  }

  /** Run `begin`, then open the page that was wanted; say what is wrong otherwise. */
  async function go(place, options, begin) {
    try {
      await begin();
      window.location.assign(options.forceRedirectUrl ?? "/");
    } catch (error) {
      place.querySelector("[role=alert]").textContent = error.message;
    }
  }

  function choice(person, place, options, clerk) {
    const button = element("button", { type: "button", className: "button quiet", textContent: person.label });
    button.dataset.person = person.id;
    button.addEventListener("click", () =>
      go(place, options, () => clerk.__begin("/v1/client/sign_ins", { user_id: person.id })),
    );
    return element("li", {}, button, ` ${person.roles.join(", ").toLowerCase()}`);
  }

  function field(label, facts) {
    const input = element("input", { required: true, ...facts });
    return element("p", {}, element("label", {}, label, element("br"), input));
  }

  class ClerkUI {
    signIn(place, options, clerk) {
      const list = element("ul", { className: "widget__people" });
      list.setAttribute("role", "list");
      list.append(...clerk.client.personas.map((person) => choice(person, place, options, clerk)));
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const other = element("p", {}, "Nobody of these? ", element("a", { href: options.signUpUrl, textContent: "Sign up" }));
      place.replaceChildren(note("The stand-in for Clerk asks for no password. Who are you?"), list, alert, other);
    }

    signUp(place, options, clerk) {
      const role = element("select", { name: "role" }, new Option("Builder", "BUILDER"), new Option("Client", "CLIENT"));
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const form = element(
        "form",
        {},
        field("First name", { name: "first_name", autocomplete: "given-name" }),
        field("Last name", { name: "last_name", autocomplete: "family-name" }),
        field("E-mail address", { name: "email", type: "email", autocomplete: "email" }),
        element("p", {}, element("label", {}, "I am a", element("br"), role)),
        alert,
        element("button", { className: "button", textContent: "Sign up" }),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const { role: chosen, ...facts } = Object.fromEntries(new FormData(form));
        go(place, options, () => clerk.__begin("/v1/client/sign_ups", { ...facts, roles: [chosen] }));
      });
      const other = element("p", {}, "Here before? ", element("a", { href: options.signInUrl, textContent: "Sign in" }));
      place.replaceChildren(note("The stand-in for Clerk believes every word."), form, other);
    }
  }

  window.__internal_ClerkUICtor = ClerkUI;
})();
