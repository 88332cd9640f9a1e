// The first administrator, with the one-time code of the link: /admin/#setup=CODE
const form = document.querySelector("#setup");
const status = document.querySelector("#status");
const code = new URLSearchParams(location.hash.slice(1)).get("setup");

if (!code) {
  form.hidden = true;
  status.textContent =
    "This page needs the link that the server prints at its start while there is no administrator.";
}

function showErrors(details) {
  for (const input of form.querySelectorAll("input")) {
    const found = details.find((detail) => detail.field === input.name);
    input.setAttribute("aria-invalid", String(Boolean(found)));
    document.querySelector(`#${input.name}-error`).textContent = found ? found.message : "";
  }
  form.querySelector("[aria-invalid=true]")?.focus();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await fetch("/api/auth/setup", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code, ...Object.fromEntries(new FormData(form)) }),
    });
    const answer = await response.json();
    showErrors(answer.details ?? []);
    if (answer.success) {
      form.hidden = true;
      history.replaceState(null, "", location.pathname);
      status.textContent = `${answer.data.user.name}, you are the administrator. Log in as ${answer.data.user.username}.`;
    } else if (!answer.details) {
      status.textContent = answer.message;
    }
  } catch {
    status.textContent = "The server cannot be reached. Try again in a moment.";
  } finally {
    button.disabled = false;
  }
});
