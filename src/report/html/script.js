"use strict";
const form = document.querySelector(".filters");
if (form) {
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const tests = [...document.querySelectorAll(".test")].map((test) => ({
    element: test,
    text: test.querySelector(".name").textContent.toLowerCase(),
    rows: [...test.querySelectorAll("li")].map((row) => ({ element: row, text: row.textContent.toLowerCase() })),
  }));
  const apply = () => {
    const wanted = search.value.trim().toLowerCase();
    const classes = new Set([...form.querySelectorAll("input:checked")].map((box) => box.value));
    let count = 0;
    for (const test of tests) {
      const named = test.text.includes(wanted);
      let any = false;
      for (const row of test.rows) {
        const show = classes.has(row.element.dataset.class) && (named || row.text.includes(wanted));
        row.element.hidden = !show;
        any ||= show;
      }
      const show = any || (named && classes.has(test.element.dataset.class));
      test.element.hidden = !show;
      count += show;
      if (wanted && any && !named && "open" in test.element) test.element.open = true;
    }
    shown.textContent = `${count} of ${tests.length} tests`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}
