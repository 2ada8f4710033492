// Stands in for Clerk's components: sign in by choosing a person, sign up by saying who one is.

(() => {
  // Clerk's components make their styles while they run as well; the page's policy has to allow it.
  const STYLE = `
    .standin { display: grid; gap: var(--space-4, 1rem); max-inline-size: 28rem; }
    .standin ul { display: grid; padding: 0; margin: 0; list-style: none; border-block-start: 1px solid var(--line, #ccc); }
    .standin li { border-block-end: 1px solid var(--line, #ccc); }
    .standin li button { display: flex; justify-content: space-between; gap: 1rem; inline-size: 100%; min-block-size: 3rem;
      padding: .75rem .5rem; border: 0; background: none; color: inherit; font: inherit; text-align: start; cursor: pointer; }
    .standin li button:hover { background: color-mix(in oklab, currentcolor 7%, transparent); }
    .standin small { opacity: .7; font-size: .875em; }
    .standin form { display: grid; gap: var(--space-4, 1rem); }
    .standin label { display: grid; gap: .25rem; font-weight: 500; }
    .standin input, .standin select { min-block-size: 2.75rem; padding: .5rem .75rem; border: 1px solid var(--line-control, #888);
      border-radius: 4px; background: transparent; color: inherit; font: inherit; }
    .standin option { color: #000; background: #fff; }
    .standin [role=alert]:empty { display: none; }
    .standin [role=alert] { color: var(--bad, #b00020); }
  `;

  function element(name, facts = {}, ...inside) {
    const made = Object.assign(document.createElement(name), facts);
    made.append(...inside);
    return made;
  }

  function note(text) {
    return element("p", { textContent: text });
  }

  function show(place, ...parts) {
    place.replaceChildren(element("style", { textContent: STYLE }), element("div", { className: "standin" }, ...parts));
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
    const roles = element("small", { textContent: person.roles.join(", ").toLowerCase() });
    const button = element("button", { type: "button" }, element("span", { dir: "auto", textContent: person.label }), roles);
    button.dataset.person = person.id;
    button.addEventListener("click", () =>
      go(place, options, () => clerk.__begin("/v1/client/sign_ins", { user_id: person.id })),
    );
    return element("li", {}, button);
  }

  function field(label, facts) {
    const input = element("input", { required: true, ...facts });
    return element("label", {}, label, input);
  }

  class ClerkUI {
    signIn(place, options, clerk) {
      const list = element("ul");
      list.setAttribute("role", "list");
      list.append(...clerk.client.personas.map((person) => choice(person, place, options, clerk)));
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const other = element("p", {}, "Nobody of these? ", element("a", { href: options.signUpUrl, textContent: "Sign up" }));
      show(place, note("The stand-in for Clerk asks for no password. Who are you?"), list, alert, other);
    }

    signUp(place, options, clerk) {
      // As at Clerk, where nothing asks for roles while signing up, unless somebody wants to begin with one.
      const roles = [new Option("Not said", ""), new Option("Builder", "BUILDER"), new Option("Client", "CLIENT")];
      const role = element("select", { name: "role" }, ...roles);
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const form = element(
        "form",
        {},
        field("First name", { name: "first_name", autocomplete: "given-name" }),
        field("Last name", { name: "last_name", autocomplete: "family-name" }),
        field("E-mail address", { name: "email", type: "email", autocomplete: "email" }),
        element("label", {}, "I am a", role),
        alert,
        element("button", { className: "button", textContent: "Sign up" }),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const { role: chosen, ...facts } = Object.fromEntries(new FormData(form));
        go(place, options, () => clerk.__begin("/v1/client/sign_ups", { ...facts, ...(chosen && { roles: [chosen] }) }));
      });
      const other = element("p", {}, "Here before? ", element("a", { href: options.signInUrl, textContent: "Sign in" }));
      show(place, note("The stand-in for Clerk believes every word."), form, other);
    }
  }

  window.__internal_ClerkUICtor = ClerkUI;
})();
