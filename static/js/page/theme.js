/*
 * Applies the viewer's theme before the first paint. A classic script, because a module runs after it. Without a chosen
 * theme the page follows the system.
 */
(() => {
  try {
    const theme = JSON.parse(localStorage.getItem('danmaku.preferences') || '{}').theme;
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  } catch {
    // Without storage the page follows the system.
  }
})();
