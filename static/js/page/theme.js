/*
 * Gives the page the viewer's theme before anything is drawn. A classic script, not a module, because a module runs
 * after the first paint. Without a choice the page follows the system.
 */
(() => {
  try {
    const theme = JSON.parse(localStorage.getItem('danmaku.preferences') || '{}').theme;
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
