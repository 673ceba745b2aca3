'use strict';
// The sample browser: search, filter, sort, page. Text reaches the page as text only.
(() => {
  const data = JSON.parse(document.getElementById('sample-data').textContent);
  const count = data.prompt.length;
  const pageSize = 25;
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const figure = (value, digits = 4) =>
    value === null || value === undefined || Number.isNaN(value) ? '–' : value.toPrecision(digits).replace('-', '−');
  const grouped = (value) => value.toLocaleString('en');

  // What was known of every sample at every epoch, carried forward as the run did.
  for (const run of data.runs) {
    let score = new Float64Array(count).fill(NaN);
    let scoredAt = new Int32Array(count).fill(-1);
    let eligible = new Uint8Array(count);
    run.everPicked = new Uint8Array(count);
    run.epochs.forEach((epoch, number) => {
      score = score.slice(); scoredAt = scoredAt.slice(); eligible = eligible.slice();
      const ids = epoch.scored ?? epoch.scores.map((_, id) => id);
      ids.forEach((id, at) => { score[id] = epoch.scores[at] ?? NaN; scoredAt[id] = number; eligible[id] = 1; });
      epoch.ineligible.forEach((id) => { eligible[id] = 0; });
      epoch.place = new Map(epoch.picked.map((id, at) => [id, at]));
      epoch.picked.forEach((id) => { run.everPicked[id] = 1; });
      const ranked = [];
      for (let id = 0; id < count; id++) if (eligible[id] && !Number.isNaN(score[id])) ranked.push(id);
      ranked.sort((a, b) => score[b] - score[a] || a - b);
      epoch.rank = new Uint32Array(count);
      ranked.forEach((id, at) => { epoch.rank[id] = at + 1; });
      Object.assign(epoch, { score, scoredAt, eligible, ranked: ranked.length, rescored: ids.length > 0 });
    });
  }
  const many = data.runs.length > 1;
  const lastEpoch = (run) => run.epochs[run.epochs.length - 1];
  const first = data.runs[0];
  const scoreNow = (id) => (first && first.epochs.length ? lastEpoch(first).score[id] : NaN);

  const fate = (epoch, number, id) => {
    const place = epoch.place.get(id);
    const lastValue = epoch.values[epoch.values.length - 1];
    if (place !== undefined) {
      const product = epoch.gains.length ? `: value ${figure(epoch.values[place])}, gain ${figure(epoch.gains[place])}` : '';
      return `picked, number ${grouped(place + 1)} of ${grouped(epoch.picked.length)}${product}`;
    }
    if (epoch.scoredAt[id] < 0) return 'not picked';
    if (Number.isNaN(epoch.score[id])) return 'not picked: no score could be computed';
    if (!epoch.eligible[id]) return 'not picked: its score is not eligible';
    if (epoch.rescored && epoch.scoredAt[id] !== number) return 'not picked: outside the pool scored for this epoch';
    return `not picked: others had a higher value${lastValue === undefined ? '' : `, down to ${figure(lastValue)}`}`;
  };

  const tableOf = (caption, head, rows) => {
    const table = element('table', {}, element('caption', {}, element('span', { textContent: caption })),
      element('thead', {}, element('tr', {}, ...head.map((text, at) =>
        element('th', { scope: 'col', textContent: text, className: at === head.length - 1 ? 'text' : '' })))),
      element('tbody', {}, ...rows));
    const scroll = element('div', { className: 'scroll', tabIndex: 0 }, table);
    scroll.setAttribute('role', 'region');
    scroll.setAttribute('aria-label', caption);
    return scroll;
  };

  const whyTable = (id) => {
    const head = [...(many ? ['Run'] : []), 'Epoch', 'Score', 'Rank by score', 'What became of it'];
    const rows = data.runs.flatMap((run) => run.epochs.map((epoch, number) => {
      const stale = epoch.scoredAt[id] >= 0 && epoch.scoredAt[id] !== number ? ` (epoch ${epoch.scoredAt[id]})` : '';
      const rank = epoch.rank[id] ? `${grouped(epoch.rank[id])} of ${grouped(epoch.ranked)}` : '–';
      const cells = [String(epoch.epoch), figure(epoch.score[id]) + stale, rank];
      const row = element('tr', {}, ...cells.map((text) => element('td', { textContent: text })),
        element('td', { className: 'text', textContent: fate(epoch, number, id) }));
      if (many) row.prepend(element('td', { textContent: run.name }));
      return row;
    }));
    return tableOf(`Sample ${id}, epoch by epoch`, head, rows);
  };

  // What a sample brought that no earlier pick of the epoch had: its word sequences of up to three,
  // the rarest in the pool first. A scorer of its own may weigh them in its own way.
  const sequences = (id) => {
    const words = data.response[id].toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];
    const found = new Set();
    for (let at = 0; at < words.length; at++) for (let n = 1; n <= 3 && at + n <= words.length; n++) found.add(words.slice(at, at + n).join(' '));
    return found;
  };
  let counted;
  const frequency = (sequence) => {
    if (!counted) {
      counted = new Map();
      for (let id = 0; id < count; id++) for (const found of sequences(id)) counted.set(found, (counted.get(found) ?? 0) + 1);
    }
    return counted.get(sequence) ?? 0;
  };
  const broughtTable = (id) => {
    const rows = data.runs.flatMap((run) => run.epochs.filter((epoch) => epoch.place.has(id) && epoch.picked.length < count).map((epoch) => {
      const known = new Set();
      for (const earlier of epoch.picked.slice(0, epoch.place.get(id))) for (const found of sequences(earlier)) known.add(found);
      const own = [...sequences(id)];
      const fresh = own.filter((found) => !known.has(found));
      fresh.sort((a, b) => frequency(a) - frequency(b) || b.length - a.length || (a < b ? -1 : 1));
      const shown = fresh.slice(0, 6).map((found) => `“${found}” (${grouped(frequency(found))})`).join(', ');
      const row = element('tr', {}, element('td', { textContent: String(epoch.epoch) }),
        element('td', { textContent: `${grouped(fresh.length)} of ${grouped(own.length)}` }), element('td', { className: 'text', textContent: shown || '–' }));
      if (many) row.prepend(element('td', { textContent: run.name }));
      return row;
    }));
    if (!rows.length) return '';
    const head = [...(many ? ['Run'] : []), 'Epoch', 'New', 'The rarest, with how many samples have them'];
    return tableOf(`Word sequences of sample ${id} that no earlier pick had`, head, rows);
  };

  const item = (id) => {
    const badges = element('span', { className: 'badges' });
    for (const run of data.runs) {
      const epochs = run.epochs.filter((epoch) => epoch.place.has(id)).map((epoch) => epoch.epoch);
      if (epochs.length) badges.append(element('span', { className: 'badge', textContent: `${many ? `${run.name}: ` : ''}picked in ${epochs.join(', ')}` }));
    }
    const known = first && first.epochs.length && lastEpoch(first);
    if (known && known.scoredAt[id] >= 0 && !known.eligible[id]) badges.append(element('span', { className: 'badge no', textContent: 'not eligible' }));
    const excerpt = (data.prompt[id] || data.response[id]).slice(0, 220);
    const summary = element('summary', {},
      element('span', { className: 'id', textContent: `#${id}` }),
      element('span', { className: 'score', textContent: figure(scoreNow(id)) }),
      element('bdi', { className: 'excerpt', textContent: excerpt }), badges);
    const details = element('details', {}, summary);
    details.addEventListener('toggle', () => {
      if (!details.open || details.children.length > 1) return;
      const said = (text) => element('p', { className: 'said', dir: 'auto', textContent: text || '(empty)' });
      details.append(element('div', { className: 'sample' },
        element('h4', { textContent: 'Prompt' }), said(data.prompt[id]),
        element('h4', { textContent: `Response, ${grouped(data.length[id])} characters` }), said(data.response[id]),
        element('h4', { textContent: 'Why' }), whyTable(id), broughtTable(id)));
    });
    return element('li', {}, details);
  };

  const control = Object.fromEntries(['search', 'filter', 'sort'].map((name) => [name, document.getElementById(`samples-${name}`)]));
  const list = document.getElementById('samples-list');
  const status = document.getElementById('samples-status');
  const [previous, next] = ['previous', 'next'].map((name) => document.getElementById(`samples-${name}`));
  const option = (value, text) => control.filter.append(element('option', { value, textContent: text }));
  option('all', 'All samples');
  data.runs.forEach((run, r) => {
    const prefix = many ? `${run.name}: ` : '';
    option(`ever ${r}`, `${prefix}picked in any epoch`);
    run.epochs.forEach((epoch, e) => option(`epoch ${r} ${e}`, `${prefix}picked in epoch ${epoch.epoch}`));
    option(`never ${r}`, `${prefix}never picked`);
    if (run.epochs.some((epoch) => epoch.ineligible.length)) option(`not ${r}`, `${prefix}not eligible`);
  });

  let found = [];
  let page = 0;
  const candidates = () => {
    const [kind, r, e] = control.filter.value.split(' ');
    const run = data.runs[r];
    if (kind === 'epoch') return [...run.epochs[e].picked];
    const all = Array.from({ length: count }, (_, id) => id);
    if (kind === 'ever') return all.filter((id) => run.everPicked[id]);
    if (kind === 'never') return all.filter((id) => !run.everPicked[id]);
    if (kind === 'not') return all.filter((id) => lastEpoch(run).scoredAt[id] >= 0 && !lastEpoch(run).eligible[id]);
    return all;
  };
  const orders = {
    score: (a, b) => (scoreNow(b) - scoreNow(a)) || (Number.isNaN(scoreNow(a)) - Number.isNaN(scoreNow(b))) || a - b,
    low: (a, b) => (scoreNow(a) - scoreNow(b)) || (Number.isNaN(scoreNow(a)) - Number.isNaN(scoreNow(b))) || a - b,
    long: (a, b) => data.length[b] - data.length[a] || a - b,
    id: (a, b) => a - b,
  };
  const show = () => {
    const pages = Math.max(1, Math.ceil(found.length / pageSize));
    page = Math.min(Math.max(page, 0), pages - 1);
    list.replaceChildren(...found.slice(page * pageSize, (page + 1) * pageSize).map(item));
    status.textContent = `${grouped(found.length)} of ${grouped(count)} samples, page ${grouped(page + 1)} of ${grouped(pages)}`;
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
  };
  const update = () => {
    const wanted = control.search.value.trim().toLowerCase();
    const number = /^#(\d+)$/.exec(wanted);
    found = candidates();
    if (number) found = found.filter((id) => id === Number(number[1]));
    else if (wanted) found = found.filter((id) => data.prompt[id].toLowerCase().includes(wanted) || data.response[id].toLowerCase().includes(wanted));
    if (orders[control.sort.value]) found.sort(orders[control.sort.value]);
    page = 0;
    show();
  };
  let pending;
  control.search.addEventListener('input', () => { clearTimeout(pending); pending = setTimeout(update, 120); });
  control.filter.addEventListener('change', update);
  control.sort.addEventListener('change', update);
  document.getElementById('samples-form').addEventListener('submit', (event) => { event.preventDefault(); update(); });
  previous.addEventListener('click', () => { page -= 1; show(); });
  next.addEventListener('click', () => { page += 1; show(); });
  document.getElementById('samples-browser').hidden = false;
  // A link that ends in #sample-17 opens that sample.
  const follow = () => {
    const linked = /^#sample-(\d+)$/.exec(location.hash);
    if (linked) control.search.value = `#${linked[1]}`;
    update();
    if (!linked || !list.firstChild) return;
    list.querySelector('details').open = true;
    list.scrollIntoView();
  };
  addEventListener('hashchange', follow);
  follow();
})();
