// The deploy form, where htmx cannot: fields are marked as their notes say, and the button tells that it works.

const form = document.querySelector("[data-deploy]");

// Notes are swapped beside a field, never the field itself: somebody may be typing in it.
function markFields() {
  for (const notes of form.querySelectorAll("[data-notes-of]")) {
    const field = document.getElementById(`f-${notes.dataset.notesOf}`);
    if (!field) continue;
    const isWrong = notes.querySelector("[data-error]") !== null;
    field.classList.toggle("is-invalid", isWrong);
    field.setAttribute("aria-invalid", String(isWrong));
  }
}

// A dry run may take some seconds. The page may come back from the history, so the button must recover.
function showBusy(isBusy) {
  for (const button of form.querySelectorAll("[data-busy]")) {
    button.dataset.idle ??= button.lastChild.textContent;
    button.lastChild.textContent = isBusy ? button.dataset.busy : button.dataset.idle;
    button.classList.toggle("disabled", isBusy);
    button.setAttribute("aria-busy", String(isBusy));
  }
}

// A mend takes its own button away; the field that it has mended is where one goes on.
function followMend(event) {
  const name = event.detail.requestConfig.formData.get("set")?.split("=")[0];
  if (name) document.getElementById(`f-${name}`)?.focus({ preventScroll: true });
}

if (form) {
  form.addEventListener("htmx:afterRequest", followMend);
  document.addEventListener("htmx:afterSettle", markFields);
  document.addEventListener("htmx:oobAfterSwap", markFields);
  form.addEventListener("submit", (event) => showBusy(event.submitter?.formAction.endsWith("/deploy/") ?? true));
  addEventListener("pageshow", () => showBusy(false));
}
