// The shop's page tells Hissa that a partner's link led to it: https://shop.in/?ref=ASHA, ?via= or
// ?aff=. Hissa serves this file, without its comments, as /hissa.js:
//
//     <script src="https://go.shop.in/hissa.js" defer></script>
//
// It sends the code, and sub, sub1 … sub5, and nothing else; the answer sets the cookie. What it may
// do before the visitor consents, and how a page gets at the click, is in the README, By a snippet.
(() => {
  const script = document.currentScript;
  let hissa = window.hissa || {};
  // A theme and a plugin may both bring it.
  if (!script || hissa.track) return;
  const to = new URL('v1/clicks', script.src);

  // The tab remembers what was sent, so that a reload is no second click, and the click's id for a
  // page that can't have the cookie. A browser that keeps nothing for the page forgets.
  let sent, id, found;
  try {
    [sent, id] = JSON.parse(sessionStorage.hissa);
  } catch (e) {}
  const keep = (...both) => {
    [sent, id] = both;
    try {
      sessionStorage.hissa = JSON.stringify(both);
    } catch (e) {}
  };

  // Global Privacy Control is a general no; consent() says yes to this shop, and outranks it.
  let allowed = script.dataset.consent != 'wait' && !navigator.globalPrivacyControl ||
    hissa.consented;

  // What there is to send of an address: '' when it names no code.
  const read = (address) => {
    const from = new URL(address, location).searchParams, body = new URLSearchParams();
    const code = from.get('ref') || from.get('via') || from.get('aff');
    if (!code) return '';
    body.append('code', code);
    from.forEach((value, name) => /^sub[1-5]?$/.test(name) && body.append(name, value));
    return '' + body;
  };

  // A form needs no preflight; keepalive lets it arrive when the visitor has gone on already.
  const post = (text) => fetch(to, {
    method: 'POST', body: new URLSearchParams(text), credentials: 'include', keepalive: true,
    referrerPolicy: 'no-referrer'
  }).then((answer) => answer.json());

  // A page in a frame is not one that somebody came to.
  const send = () => {
    if (top != self || !allowed || !found || found == sent) return;
    const before = sent, body = sent = found;
    hissa.click = post(body + '&click=' + (id || '')).then((answer) => {
      if (answer.error) throw 0;
      keep(body, answer.click_id || id);
    }).catch(() => {
      sent = before;
    }).then(() => id || null);
  };

  hissa = window.hissa = {
    click: Promise.resolve(id || null),
    track(address) {
      found = read(address || location) || found;
      send();
      return hissa.click;
    },
    consent() {
      allowed = true;
      send();
      return hissa.click;
    },
    forget() {
      allowed = false;
      keep();
      hissa.click = Promise.resolve(null);
      return post('forget=1');
    }
  };
  addEventListener('hissa:consent', hissa.consent);

  // Going back is no new click, nor is a page that the browser only prepares. A visitor who consents
  // on their second page came with the first one's address.
  const begin = () => {
    const [visit] = performance.getEntriesByType('navigation');
    if (sent && visit && visit.type == 'back_forward') return;
    const first = document.referrer;
    hissa.track(read(location) || sent || first.indexOf(location.origin + '/') ? location : first);
  };
  if (document.prerendering) document.addEventListener('prerenderingchange', begin);
  else begin();
  if (window.navigation) {
    navigation.addEventListener('currententrychange', (change) =>
      change.navigationType == 'traverse' || hissa.track());
  }
})();
