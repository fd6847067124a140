// What pages can do beyond HTML: copy a text, and swap blocks when something has happened. Without it a
// page is as complete, and reloading shows what is new.
(function () {
  'use strict';
  var doc = document, body = doc.body, line = doc.getElementById('live');
  doc.documentElement.classList.add('js');

  doc.addEventListener('click', function (e) {
    var b = e.target.closest('[data-copy]');
    if (!b || !navigator.clipboard) return;
    navigator.clipboard.writeText(b.dataset.copy).then(function () {
      var was = b.textContent;
      b.textContent = body.dataset.copied;
      setTimeout(function () { b.textContent = was; }, 1500);
    });
  });

  var blocks = doc.querySelectorAll('[data-live]');
  if (!blocks.length || !window.EventSource) return;
  var stream, place = body.dataset.place || '', pause = 0, news = 0;
  var waiting = {}; // blocks that have changed and still stand as they were
  var loading = {}; // blocks that are being fetched: true where they have changed once more since

  // One fetch of a block at a time, so that an older answer never replaces a newer one. A block that did not
  // come waits, for a press or for the next event.
  function swap(id) {
    var old = doc.getElementById(id);
    if (!old) return;
    delete waiting[id];
    if (id in loading) { loading[id] = true; return; }
    loading[id] = false;
    fetch(old.dataset.live, {
      headers: { Accept: 'text/html' }, signal: AbortSignal.timeout && AbortSignal.timeout(30000)
    }).then(function (r) {
      return r.ok ? r.text() : Promise.reject();
    }).then(function (html) {
      var fresh = new DOMParser().parseFromString(html, 'text/html').getElementById(id), more = loading[id];
      if (fresh) old.replaceWith(fresh);
      delete loading[id];
      if (more) swap(id);
    }).catch(function () {
      delete loading[id];
      waiting[id] = true;
      announce();
    });
  }

  function show() {
    news = 0;
    Object.keys(waiting).forEach(swap);
    announce();
  }

  // What the line says already is not said again, and its button stays the one that may be in use.
  function announce() {
    var b = line.firstChild, waits = Object.keys(waiting).length;
    if (!news && !waits) { line.textContent = ''; return; }
    var text = (news === 0 ? body.dataset.changed : news === 1 ? body.dataset.new :
      body.dataset.news.replace('{n}', news)) + (waits ? ' · ' + body.dataset.show : '');
    if (b && b.textContent === text) return;
    if (!b) {
      b = line.appendChild(doc.createElement('button'));
      b.type = 'button';
      b.onclick = show;
    }
    b.textContent = text;
  }

  // Rows do not move under a finger: a list that is touched, read from further down, or written in waits
  // behind the line.
  function busy(el) {
    return el.matches(':hover, :focus-within') || el.getBoundingClientRect().top < 0;
  }

  function changed(e) {
    var what = JSON.parse(e.data);
    place = e.lastEventId;
    doc.querySelectorAll('[data-live]').forEach(function (el) {
      var on = el.dataset.topics.split(' ');
      if (!waiting[el.id] && !what.changed.some(function (c) { return on.indexOf(c) >= 0; })) return;
      if (busy(el)) waiting[el.id] = true; else swap(el.id);
    });
    news += what.payments;
    announce();
  }

  // A browser comes again by itself when a stream breaks, and not when it is answered something else: by the
  // proxy, while the service starts anew. What happened meanwhile is told from the last place on.
  function again() {
    if (this.readyState !== EventSource.CLOSED || this !== stream) return;
    stream = null;
    pause = Math.min(pause ? 2 * pause : 3000, 60000);
    setTimeout(listen, pause);
  }

  function listen() {
    if (doc.hidden) { if (stream) stream.close(); stream = null; return; }
    if (stream) return;
    stream = new EventSource(body.dataset.events + (place && '?since=' + encodeURIComponent(place)));
    stream.onopen = function () { pause = 0; };
    stream.onerror = again;
    stream.addEventListener('changed', changed);
  }
  doc.addEventListener('visibilitychange', function () {
    listen();
    if (!doc.hidden) doc.querySelectorAll('[data-live]').forEach(function (el) { swap(el.id); });
  });
  listen();
})();
