// The page works without this. With it, what is marked data-fresh is fetched anew when the daemon
// tells that something happened. Nothing here makes markup out of text.
'use strict';
(() => {
  // `gaol web` prints an address with the token behind "#", which never leaves the browser.
  const login = document.getElementById('login');
  if (login && location.hash.length > 1) {
    login.elements.secret.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, '', location.pathname + location.search);
    login.submit();
    return;
  }
  const path = document.body.dataset.live;
  if (!path || !window.EventSource) return;

  const pulse = document.getElementById('pulse');
  const told = document.getElementById('told');
  let busy = false, again = false, later;

  async function fresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { 'Gaol-Fresh': '1' }, redirect: 'error' });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const old of document.querySelectorAll('[data-fresh]')) {
        const now = next.getElementById(old.id);
        if (!now || old.innerHTML === now.innerHTML) continue;
        if (old.contains(document.activeElement) && document.activeElement !== document.body) continue;
        const open = old.querySelector('details')?.open;
        old.replaceChildren(...document.adoptNode(now).childNodes);
        const details = old.querySelector('details');
        if (details && open) details.open = true;
      }
    } catch {
      // The next event tries again.
    } finally {
      busy = false;
      if (again) { again = false; fresh(); }
    }
  }

  // What a page answers to a form, or was asked for once, is not asked for again.
  const once = location.search.includes('now=') || !document.querySelector('[data-fresh]');
  const events = new EventSource(path);
  events.onopen = () => { pulse.textContent = 'Live.'; document.body.classList.add('live'); };
  events.onerror = () => { pulse.textContent = 'Not live: gaol does not answer. Trying again.'; document.body.classList.remove('live'); };
  events.onmessage = (message) => {
    const news = JSON.parse(message.data);
    told.textContent = news.text;
    // The page of one address does not change with others; no id stands for several at once.
    const about = document.body.dataset.about;
    if (!once && (!about || !news.id || news.id === about)) {
      fresh();
      // What the store counts comes a little later than what the kernel does.
      clearTimeout(later);
      later = setTimeout(fresh, 2500);
    }
  };
})();
