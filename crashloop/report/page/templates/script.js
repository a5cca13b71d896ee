(() => {
  "use strict";
  const command = document.querySelector(".again code");
  if (command && navigator.clipboard) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    });
    command.after(" ", button);
  }
  const form = document.getElementById("filter");
  if (!form) return;
  const [life, text, cited, count] = ["life", "text", "cited", "count"].map(
    (name) => document.getElementById(`filter-${name}`));
  const rows = [...document.getElementById("rows").rows];
  const filter = () => {
    const wanted = text.value.toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = (life.value && row.dataset.l !== life.value)
        || (cited.checked && !row.classList.contains("c"))
        || (wanted && !row.textContent.toLowerCase().includes(wanted));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} shown`;
  };
  const reveal = () => {
    const row = document.getElementById(location.hash.slice(1));
    if (!row || !row.hidden) return;
    form.reset();
    filter();
    row.scrollIntoView();
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);
  form.hidden = false;
  filter();
})();
