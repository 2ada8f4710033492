// Replaces Clerk's components: users sign in by choosing a name, and sign up with a short form. The user profile is a link.

(() => {
  // Clerk's components also create inline styles, which the page's content security policy must allow.
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
    .widget:has(> .standin .standin__profile) { min-block-size: 0; inline-size: min(100%, 34rem); justify-self: center; }
    .standin [role=alert]:empty { display: none; }
    .standin [role=alert] { color: var(--bad, #b00020); }
  `;

  function element(name, properties = {}, ...children) {
    const created = Object.assign(document.createElement(name), properties);
    created.append(...children);
    return created;
  }

  function note(text) {
    return element("p", { textContent: text });
  }

  function show(container, ...parts) {
    container.replaceChildren(element("style", { textContent: STYLE }), element("div", { className: "standin" }, ...parts));
  }

  /** Run `start`, then open the requested page. Show the error if it fails. */
  async function submit(container, options, start) {
    try {
      await start();
      window.location.assign(options.forceRedirectUrl ?? "/");
    } catch (error) {
      container.querySelector("[role=alert]").textContent = error.message;
    }
  }

  function userItem(user, container, options, clerk) {
    const roles = element("small", { textContent: user.roles.join(", ").toLowerCase() });
    const button = element("button", { type: "button" }, element("span", { dir: "auto", textContent: user.label }), roles);
    button.dataset.user = user.id;
    button.addEventListener("click", () =>
      submit(container, options, () => clerk.__start("/v1/client/sign_ins", { user_id: user.id })),
    );
    return element("li", {}, button);
  }

  function field(label, properties) {
    const input = element("input", { required: true, ...properties });
    return element("label", {}, label, input);
  }

  class ClerkUI {
    verify(options, clerk) {
      const dialog = element("dialog");
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const confirm = element("button", { className: "button", type: "button", textContent: "Continue" });
      const cancel = element("button", { type: "button", textContent: "Cancel" });
      confirm.addEventListener("click", async () => {
        try {
          await clerk.__start(`/v1/client/sessions/${clerk.session.id}/verify/attempt_first_factor`);
          dialog.close();
          options.afterVerification?.();
        } catch (error) {
          alert.textContent = error.message;
        }
      });
      cancel.addEventListener("click", () => dialog.close());
      dialog.addEventListener("close", () => dialog.remove());
      dialog.setAttribute("aria-label", "Verification required");
      const content = element("div");
      show(content, note("Verify that it is still you. The stand-in for Clerk needs no password."), alert, confirm, cancel);
      dialog.append(content);
      document.body.append(dialog);
      dialog.showModal();
    }

    signIn(container, options, clerk) {
      const list = element("ul");
      list.setAttribute("role", "list");
      list.append(...clerk.client.users.map((user) => userItem(user, container, options, clerk)));
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const other = element("p", {}, "Not listed? ", element("a", { href: options.signUpUrl, textContent: "Sign up" }));
      show(container, note("Choose a user. The stand-in for Clerk needs no password."), list, alert, other);
    }

    signUp(container, options, clerk) {
      // Optional, because Clerk does not ask for roles either.
      const roles = [new Option("No role", ""), new Option("Builder", "BUILDER"), new Option("Client", "CLIENT")];
      const role = element("select", { name: "role" }, ...roles);
      const alert = element("p");
      alert.setAttribute("role", "alert");
      const form = element(
        "form",
        {},
        field("First name", { name: "first_name", autocomplete: "given-name" }),
        field("Last name", { name: "last_name", autocomplete: "family-name" }),
        field("Email address", { name: "email", type: "email", autocomplete: "email" }),
        element("label", {}, "I am a", role),
        alert,
        element("button", { className: "button", textContent: "Sign up" }),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const { role: chosen, ...data } = Object.fromEntries(new FormData(form));
        submit(container, options, () => clerk.__start("/v1/client/sign_ups", { ...data, ...(chosen && { roles: [chosen] }) }));
      });
      const other = element("p", {}, "Already have an account? ", element("a", { href: options.signInUrl, textContent: "Sign in" }));
      show(container, note("The stand-in for Clerk accepts any details."), form, other);
    }

    userProfile(container, clerk) {
      const open = element("a", { className: "button", href: clerk.buildUserProfileUrl(), textContent: "Manage account" });
      show(container, note("The stand-in for Clerk shows your account on its own pages."), element("p", { className: "standin__profile" }, open));
    }
  }

  window.__internal_ClerkUICtor = ClerkUI;
})();
