// Runs before the first paint, so that a chosen theme never flashes the other one. See state/theme.svelte.ts.
(() => {
  const chosen = localStorage.getItem('trefoil.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
