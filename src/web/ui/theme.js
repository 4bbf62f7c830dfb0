// The theme that the reader chose, before anything is painted; without a choice the system's holds.
// @ts-check
(() => {
  const chosen = localStorage.getItem('og_theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
})();
