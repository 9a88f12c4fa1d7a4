// Charts and the table of trades. All text of a run goes through textContent or a canvas, never through innerHTML.
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  let colours = {};
  function readColours() {
    for (const n of ["text", "muted", "grid", "accent", "gain", "loss", "hold", "card", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]) colours[n] = css("--" + n);
  }
  readColours();

  // ---- numbers and times ----
  const MINUS = "\u2212", THIN = "\u202f";
  function num(x, d) {
    if (x == null || !isFinite(x)) return "\u2013";
    const [w, f] = Math.abs(x).toFixed(d).split(".");
    const sign = x < 0 && /[1-9]/.test(w + (f || "")) ? MINUS : "";
    return sign + w.replace(/\B(?=(\d{3})+$)/g, THIN) + (f ? "." + f : "");
  }
  const money = (x) => num(x, x == null ? 0 : Math.abs(x) >= 1e5 ? 0 : Math.abs(x) >= 0.01 || Math.abs(x) < 0.00005 ? 2 : 4);
  const plus = (x, t) => (x > 0 && /[1-9]/.test(t) ? "+" + t : t);
  const pct = (x) => (x == null ? "\u2013" : num(100 * x, Math.abs(x) >= 10 ? 0 : Math.abs(x) >= 1 ? 1 : 2) + THIN + "%");
  function price(x) {
    if (x == null || !isFinite(x)) return "\u2013";
    const a = Math.abs(x);
    return num(x, a >= 1000 || a === 0 ? 2 : Math.min(12, Math.max(2, 5 - Math.floor(Math.log10(a)))));
  }
  const two = (n) => String(n).padStart(2, "0");
  function when(s) {
    const d = new Date(s * 1000);
    return d.getUTCFullYear() + "-" + two(d.getUTCMonth() + 1) + "-" + two(d.getUTCDate()) + " " + two(d.getUTCHours()) + ":" + two(d.getUTCMinutes());
  }
  function held(s) {
    const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    return d ? d + " d" + (h ? " " + h + " h" : "") : h ? h + " h" + (m ? " " + m + " min" : "") : m ? m + " min" : Math.round(s) + " s";
  }
  function running(deltas) {
    const out = new Array(deltas.length);
    for (let i = 0, sum = 0; i < deltas.length; i++) out[i] = sum += deltas[i];
    return out;
  }

  // ---- charts ----
  const charts = [], timeCharts = [];
  const sync = uPlot.sync("time");
  const YEAR = 31536000, DAY = 86400;
  const TIMES = [
    [YEAR, "{YYYY}", null, null, null, null, null, null, 1],
    [DAY * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [1, ":{ss}", "\n{D} {MMM} {HH}:{mm}", null, null, null, "\n{HH}:{mm}", null, 1],
  ];
  const axisFont = "12px system-ui, -apple-system, sans-serif";
  const stroke = (n) => () => colours[n];
  function axis(more) {
    return Object.assign({ stroke: stroke("muted"), font: axisFont, grid: { stroke: stroke("grid"), width: 1 }, ticks: { stroke: stroke("grid"), width: 1 } }, more);
  }
  const timeAxis = () => axis({ values: TIMES, space: 70 });
  const yAxis = (format) => axis({ size: 66, values: (u, vs) => vs.map((v) => (v == null ? "" : format(v))) });
  function tick(v) {
    const a = Math.abs(v);
    if (a >= 1e9) return num(v / 1e9, 1) + "G";
    if (a >= 1e6) return num(v / 1e6, a >= 1e7 ? 1 : 2) + "M";
    if (a >= 1e5) return num(v / 1e3, 0) + "k";
    return num(v, a >= 1000 || a === 0 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : Math.min(8, 2 - Math.floor(Math.log10(a))));
  }
  const percentTick = (v) => num(100 * v, v === 0 || Math.abs(v) >= 0.1 ? 0 : Math.abs(v) >= 0.01 ? 1 : 2) + "%";
  const width = (el) => Math.max(240, el.clientWidth);
  const height = (h) => (window.innerWidth < 560 ? Math.round(h * 0.78) : h);

  function chart(id, h, opts, columns) {
    const el = document.getElementById(id);
    if (!el || !columns[0].length) return null;
    const base = {
      width: width(el), height: height(h), tzDate: (ts) => uPlot.tzDate(new Date(ts * 1e3), "Etc/UTC"),
      padding: [8, 26, 0, 0], legend: { live: true },
    };
    const u = new uPlot(Object.assign(base, opts), columns, el);
    charts.push({ u, el, h });
    // Without a cursor the legend says the last values.
    const still = () => u.setLegend({ idx: columns[0].length - 1 }, false);
    setTimeout(still, 0);
    u.over.addEventListener("mouseleave", () => setTimeout(still, 0));
    return u;
  }
  // All charts of time show the same part of it. A chart that shows it already stays still, so this ends; one that is out of sight waits
  // until it is seen.
  let view = null;
  const unseen = new Set();
  const show = (u) => { if (view && (u.scales.x.min !== view.min || u.scales.x.max !== view.max)) u.setScale("x", view); };
  const watch = new IntersectionObserver((entries) => {
    for (const e of entries) {
      const c = charts.find((c) => c.el === e.target);
      if (!c) continue;
      if (e.isIntersecting) { unseen.delete(c.u); show(c.u); } else unseen.add(c.u);
    }
  }, { rootMargin: "200px" });
  function follow(u, key) {
    if (key !== "x") return;
    const { min, max } = u.scales.x;
    // A chart that is drawn for the first time says what it has, not what is to be seen.
    if (min == null || (view && unseen.has(u) && (min !== view.min || max !== view.max))) return;
    view = { min, max };
    for (const other of timeCharts) if (other !== u && !unseen.has(other)) show(other);
    showSpan(min, max);
  }
  function timeChart(id, h, opts, columns) {
    const hooks = Object.assign({}, opts.hooks, { setScale: [follow] });
    const cursor = Object.assign({ sync: { key: sync.key, setSeries: false }, drag: { x: true, y: false, uni: 20 }, bind: { dblclick: () => () => { moves.all(); return null; } } }, opts.cursor);
    const u = chart(id, h, Object.assign({}, opts, { hooks, cursor }), columns);
    if (u) {
      timeCharts.push(u);
      // The first one leads the others, and the price is stepped through by buttons: these two are always up to date.
      if (timeCharts.length > 1 && id !== "price") watch.observe(document.getElementById(id));
      u.over.addEventListener("wheel", (e) => {
        // The page scrolls as always; with a modifier the wheel zooms.
        if (!e.ctrlKey && !e.metaKey && !e.shiftKey) return;
        e.preventDefault();
        const { min, max } = u.scales.x, at = u.posToVal(e.clientX - u.over.getBoundingClientRect().left, "x");
        const k = (e.deltaY || e.deltaX) < 0 ? 0.75 : 1 / 0.75;
        range(at - (at - min) * k, at + (max - at) * k);
      }, { passive: false });
    }
    return u;
  }
  const legendTime = { label: "UTC", value: (u, v) => (v == null ? "\u2013" : when(v)) };

  // ---- the time that is shown ----
  let first = Infinity, last = -Infinity;
  function range(min, max) {
    if (!timeCharts.length || !(last > first)) return;
    const least = Math.min(600, last - first);
    if (max - min < least) { const mid = (min + max) / 2; min = mid - least / 2; max = mid + least / 2; }
    if (max - min >= last - first) { min = first; max = last; }
    if (min < first) { max += first - min; min = first; }
    if (max > last) { min -= max - last; max = last; }
    timeCharts[0].setScale("x", { min: Math.max(min, first), max: Math.min(max, last) });
  }
  const spans = document.querySelectorAll(".span");
  function showSpan(min, max) {
    if (min == null) return;
    for (const el of spans) el.textContent = when(min) + " to " + when(max);
  }
  function now() { return timeCharts[0] ? timeCharts[0].scales.x : { min: first, max: last }; }
  const moves = {
    all: () => range(first, last),
    "in": () => { const { min, max } = now(), q = (max - min) / 4; range(min + q, max - q); },
    out: () => { const { min, max } = now(), q = (max - min) / 2; range(min - q, max + q); },
    left: () => { const { min, max } = now(), q = (max - min) / 2; range(min - q, max - q); },
    right: () => { const { min, max } = now(), q = (max - min) / 2; range(min + q, max + q); },
  };
  document.addEventListener("click", (e) => {
    const b = e.target.closest && e.target.closest("button[data-move]");
    if (!b) return;
    const days = Number(b.dataset.days);
    if (days) range(now().max - days * DAY, now().max); else moves[b.dataset.move]();
  });

  // ---- one run: equity, drawdown, exposure, rolling Sharpe ----
  if (data.start != null) { first = data.start; last = data.end; }
  const runs = data.runs.map((r) => Object.assign({}, r, { t: running(r.t) }));
  for (const r of runs) if (r.t.length) { first = Math.min(first, r.t[0]); last = Math.max(last, r.t[r.t.length - 1]); }
  const filled = (n) => (u) => {
    const c = colours[n];
    return c.startsWith("#") ? c + "26" : c;
  };
  const line = (label, colour, format, more) => Object.assign({ label, stroke: stroke(colour), width: 1.6, points: { show: false }, spanGaps: true, value: (u, v) => format(v) }, more);
  if (runs.length === 1) {
    const r = runs[0];
    // Where holding moves so much more that the run's own curve would be a flat line, the two have charts of their own below.
    const spread = (...columns) => { let lo = Infinity, hi = -Infinity; for (const c of columns) for (const v of c) if (v != null) { if (v < lo) lo = v; if (v > hi) hi = v; } return hi - lo; };
    const apart = !!r.hold && spread(r.eq) < 0.2 * spread(r.eq, r.hold);
    const below = { scales: { y: { range: (u, min) => [Math.min(min || 0, -0.002) * 1.05, 0] } }, axes: [timeAxis(), yAxis(percentTick)] };
    // An account that never moved is a line in the middle.
    const moving = (u, min, max) => (max - min > 1e-6 * Math.abs(max) ? uPlot.rangeNum(min, max, 0.06, true) : [min - 0.01 * Math.abs(min) - 1e-9, max + 0.01 * Math.abs(max) + 1e-9]);
    const values = (id, h, both) => timeChart(id, h, { scales: { y: { range: moving } }, series: [legendTime, line("This run", "accent", money, { fill: filled("accent"), fillTo: (u) => u.scales.y.min }), ...(both ? [line("Buy and hold", "hold", money, { dash: [6, 4] })] : [])], axes: [timeAxis(), yAxis(tick)] }, [r.t, r.eq, ...(both ? [r.hold] : [])]);
    const falls = (id, h, both) => timeChart(id, h, Object.assign({ series: [legendTime, line("This run", "loss", pct, { fill: filled("loss"), fillTo: 0 }), ...(both ? [line("Buy and hold", "hold", pct, { dash: [6, 4] })] : [])] }, below), [r.t, r.dd, ...(both ? [r.hdd] : [])]);
    values("equity", 330, r.hold && !apart);
    falls("drawdown", 190, r.hdd && !apart);
    const beside = document.getElementById("beside-box");
    if (apart && beside) {
      beside.hidden = false;
      values("beside", 220, true);
      falls("beside-drawdown", 160, true);
    }
    if (r.gross) {
      const seldom = calm(r.t, r.gross, r.net), of = seldom.daily ? ", mean of the day" : "";
      timeChart("exposure", 200, { series: [legendTime, line("Gross" + of, "accent", pct, { fill: filled("accent"), fillTo: 0 }), line("Net" + of, "hold", pct, { width: 1.2, dash: [5, 4] })], axes: [timeAxis(), yAxis(percentTick)] }, seldom.columns);
    }
    if (data.rolling) timeChart("rolling", 200, { series: [legendTime, line("Sharpe ratio, " + data.rolling.window + " days", "accent", (v) => num(v, 2))], axes: [timeAxis(), yAxis((v) => num(v, 1))], hooks: { draw: [zeroLine] } }, [running(data.rolling.t), data.rolling.v]);
    if (data.attribution) timeChart("attribution", 230, { series: [legendTime, ...data.attribution.names.map((n, i) => line(n, "c" + (i % 8), money, { paths: uPlot.paths.stepped({ align: 1 }) }))], axes: [timeAxis(), yAxis(tick)], hooks: { draw: [zeroLine] } }, [running(data.attribution.t), ...data.attribution.pnl]);
  } else if (runs.length > 1) {
    const join = (key, scale) => uPlot.join(runs.map((r) => [r.t, scale ? r[key].map((v) => (v == null ? null : v / r.cash)) : r[key]]));
    const names = (format, width) => runs.map((r, i) => line(r.name, "c" + (i % 8), format, { width }));
    const times = (v) => (v == null ? "\u2013" : num(v, 3) + " \u00d7");
    timeChart("equity", 360, { series: [legendTime, ...names(times, 1.8)], axes: [timeAxis(), yAxis((v) => num(v, 2) + "\u00d7")] }, join("eq", true));
    timeChart("drawdown", 220, { scales: { y: { range: (u, min) => [Math.min(min || 0, -0.002) * 1.05, 0] } }, series: [legendTime, ...names(pct, 1.3)], axes: [timeAxis(), yAxis(percentTick)] }, join("dd", false));
  }
  // What flips every few hours is a block of colour: its daily mean can be read.
  function calm(t, gross, net) {
    const most = Math.max(...gross.slice(0, 100000).map((g) => g || 0));
    let flips = 0;
    for (let i = 1; i < gross.length; i++) if (Math.abs((gross[i] || 0) - (gross[i - 1] || 0)) > 0.3 * most) flips++;
    if (flips < 1000) return { daily: false, columns: [t, gross, net] };
    const columns = [[], [], []];
    for (let i = 0; i < t.length; ) {
      const day = Math.floor((t[i] - 1) / DAY);
      let n = 0, g = 0, m = 0;
      for (; i < t.length && Math.floor((t[i] - 1) / DAY) === day; i++) { n++; g += gross[i] || 0; m += net[i] || 0; }
      columns[0].push((day + 1) * DAY); columns[1].push(g / n); columns[2].push(m / n);
    }
    return { daily: true, columns };
  }
  function zeroLine(u) {
    const { min, max } = u.scales.y;
    if (!(min < 0 && max > 0)) return;
    const c = u.ctx, y = Math.round(u.valToPos(0, "y", true));
    c.save(); c.strokeStyle = colours.muted; c.lineWidth = devicePixelRatio; c.beginPath(); c.moveTo(u.bbox.left, y); c.lineTo(u.bbox.left + u.bbox.width, y); c.stroke(); c.restore();
  }

  // ---- price with entries and exits ----
  const T = data.trades, total = T ? T.et.length : 0;
  let priceChart = null, chosen = -1, marks = null, own = [], hot = -1;
  const tip = document.createElement("div");
  tip.className = "tip"; tip.hidden = true;
  const detail = document.getElementById("detail");
  const symbolOf = (k) => data.symbols[T.i[k]] || "?";
  const strategyOf = (k) => data.strategies[T.s[k]] || "strategy " + T.s[k];
  function tell(k) {
    return [
      (T.d[k] ? "Short " : "Long ") + symbolOf(k) + ", " + strategyOf(k),
      "in " + when(T.et[k]) + " at " + price(T.ep[k]),
      "out " + when(T.xt[k]) + " at " + price(T.xp[k]) + " after " + held(T.xt[k] - T.et[k]),
      "quantity " + num(T.q[k], Math.abs(T.q[k]) >= 100 ? 2 : 6).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "") + ", fees " + money(T.f[k]),
      "profit " + plus(T.p[k], money(T.p[k])) + " " + data.quote,
    ];
  }
  // Marks of what is drawn, in device pixels: x, y, number of the trade.
  let seen = { x: [], y: [], k: [] };
  // Device pixels of one bar where bars are wide enough to be candles, else 0.
  function candle(u) {
    const { min, max } = u.scales.x;
    const n = marks && min != null ? lower(marks.t, max) - lower(marks.t, min) : 0, each = n > 1 ? u.bbox.width / n : 0;
    return each >= 5 * devicePixelRatio ? each : 0;
  }
  function drawCandles(u, m) {
    const each = candle(u);
    if (!each) return;
    const from = lower(m.t, u.scales.x.min), to = lower(m.t, u.scales.x.max);
    const c = u.ctx, w = Math.max(1, Math.floor(each * 0.6));
    c.save(); c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
    for (let i = from; i < Math.min(m.t.length, to + 1); i++) {
      const open = i ? m.c[i - 1] : m.c[i], close = m.c[i], up = close >= open;
      const step = i ? Math.min(m.t[i] - m.t[i - 1], 86400) : 0;
      const x = u.valToPos(m.t[i] - step / 2, "x", true);
      const [yo, yc, yh, yl] = [open, close, m.h[i], m.l[i]].map((v) => u.valToPos(v, "y", true));
      c.strokeStyle = c.fillStyle = up ? colours.gain : colours.loss;
      c.globalAlpha = 0.7; c.lineWidth = devicePixelRatio;
      c.beginPath(); c.moveTo(x, yh); c.lineTo(x, yl); c.stroke();
      const top = Math.min(yo, yc), tall = Math.max(devicePixelRatio, Math.abs(yo - yc));
      if (up) c.strokeRect(x - w / 2, top, w, tall); else c.fillRect(x - w / 2, top, w, tall);
    }
    c.restore();
  }
  function lower(sorted, x) {
    let lo = 0, hi = sorted.length;
    while (lo < hi) { const mid = (lo + hi) >> 1; if (sorted[mid] < x) lo = mid + 1; else hi = mid; }
    return lo;
  }
  function drawTrades(u) {
    const c = u.ctx, p = devicePixelRatio, { min, max } = u.scales.x, b = u.bbox;
    seen = { x: [], y: [], k: [] };
    if (marks) drawCandles(u, marks);
    const visible = [];
    for (const k of own) if (T.xt[k] >= min && T.et[k] <= max) visible.push(k);
    if (visible.length > CROWD) { drawCrowd(u, visible); return; }
    const many = visible.length, size = (many < 150 ? 6 : many < 600 ? 4.5 : 3.2) * p;
    const lines = [new Path2D(), new Path2D()], entries = new Path2D(), exits = [new Path2D(), new Path2D()];
    for (const k of visible) {
      const x1 = u.valToPos(T.et[k], "x", true), y1 = u.valToPos(T.ep[k], "y", true), x2 = u.valToPos(T.xt[k], "x", true), y2 = u.valToPos(T.xp[k], "y", true);
      const won = T.p[k] > 0 ? 0 : 1, up = T.d[k] ? -1 : 1;
      lines[won].moveTo(x1, y1); lines[won].lineTo(x2, y2);
      entries.moveTo(x1, y1 - up * size); entries.lineTo(x1 + size, y1 + up * size * 0.8); entries.lineTo(x1 - size, y1 + up * size * 0.8); entries.closePath();
      exits[won].moveTo(x2 + size * 0.8, y2); exits[won].arc(x2, y2, size * 0.8, 0, 6.2832);
      seen.x.push(x1, x2); seen.y.push(y1, y2); seen.k.push(k, k);
    }
    c.save(); c.beginPath(); c.rect(b.left, b.top, b.width, b.height); c.clip();
    c.lineWidth = p * (many < 600 ? 1.6 : 1); c.globalAlpha = many < 600 ? 0.85 : 0.5;
    c.strokeStyle = colours.gain; c.stroke(lines[0]); c.strokeStyle = colours.loss; c.stroke(lines[1]);
    c.globalAlpha = many < 600 ? 1 : 0.75;
    if (many < 600) { c.strokeStyle = colours.card; c.lineWidth = 2 * p; c.stroke(entries); c.stroke(exits[0]); c.stroke(exits[1]); }
    c.fillStyle = colours.accent; c.fill(entries);
    c.fillStyle = colours.gain; c.fill(exits[0]); c.fillStyle = colours.loss; c.fill(exits[1]);
    const ring = hot >= 0 ? hot : chosen;
    if (ring >= 0 && own.includes(ring)) {
      c.globalAlpha = 1; c.strokeStyle = colours.text; c.lineWidth = 2 * p;
      for (const [t, v] of [[T.et[ring], T.ep[ring]], [T.xt[ring], T.xp[ring]]]) { c.beginPath(); c.arc(u.valToPos(t, "x", true), u.valToPos(v, "y", true), 9 * p, 0, 6.2832); c.stroke(); }
    }
    c.restore();
    say(many, false);
  }
  const shown = document.getElementById("shown");
  function say(n, crowd) {
    if (shown) shown.textContent = num(n, 0) + " of " + num(own.length, 0) + " trades in view" + (crowd ? ", as bars of how many were won and lost: zoom in for each of them" : "");
  }
  // More trades than this are no marks but a stain: bars at the foot of the chart count them.
  const CROWD = 1500;
  function drawCrowd(u, visible) {
    const c = u.ctx, p = devicePixelRatio, b = u.bbox, w = 6 * p, n = Math.ceil(b.width / w), won = new Array(n).fill(0), lost = new Array(n).fill(0);
    for (const k of visible) {
      const at = Math.floor((u.valToPos(T.xt[k], "x", true) - b.left) / w);
      if (at >= 0 && at < n) (T.p[k] > 0 ? won : lost)[at]++;
    }
    let most = 1;
    for (let i = 0; i < n; i++) most = Math.max(most, won[i] + lost[i]);
    const tall = b.height * 0.22, foot = b.top + b.height;
    c.save(); c.globalAlpha = 0.8;
    for (let i = 0; i < n; i++) {
      const x = b.left + i * w, hw = (won[i] / most) * tall, hl = (lost[i] / most) * tall;
      c.fillStyle = colours.loss; c.fillRect(x, foot - hl, w - p, hl);
      c.fillStyle = colours.gain; c.fillRect(x, foot - hl - hw, w - p, hw);
    }
    c.restore();
    say(visible.length, true);
  }
  function nearest(u, left, top) {
    const p = devicePixelRatio, x = left * p + u.bbox.left, y = top * p + u.bbox.top;
    let best = -1, least = (16 * p) ** 2;
    for (let n = 0; n < seen.x.length; n++) {
      const d = (seen.x[n] - x) ** 2 + (seen.y[n] - y) ** 2;
      if (d < least) { least = d; best = n; }
    }
    return best;
  }
  function hover(u) {
    const { left, top } = u.cursor;
    const n = left == null || left < 0 || top < 0 ? -1 : nearest(u, left, top), k = n < 0 ? -1 : seen.k[n];
    if (k === hot) return;
    hot = k;
    tip.hidden = k < 0;
    if (k >= 0) {
      tip.textContent = tell(k).join("\n");
      const p = devicePixelRatio, x = (seen.x[n] - u.bbox.left) / p, y = (seen.y[n] - u.bbox.top) / p, w = u.over.clientWidth;
      tip.style.left = Math.max(0, Math.min(x + 12, w - 250)) + "px";
      tip.style.top = (y > u.over.clientHeight / 2 ? Math.max(0, y - 125) : y + 14) + "px";
    }
    u.redraw(false);
  }
  function showPrice(number) {
    const el = document.getElementById("price");
    if (!el) return;
    if (priceChart) {
      charts.splice(charts.findIndex((c) => c.u === priceChart), 1);
      timeCharts.splice(timeCharts.indexOf(priceChart), 1);
      priceChart.destroy();
    }
    const view = timeCharts[0] ? Object.assign({}, timeCharts[0].scales.x) : null;
    marks = data.marks[number];
    own = []; hot = -1;
    for (let k = 0; k < total; k++) if (T.i[k] === number) own.push(k);
    const hidden = "rgba(0,0,0,0)";
    // Bars that count trades at the foot leave the price above them.
    const room = (u, min, max) => { const [lo, hi] = uPlot.rangeNum(min, max, 0.06, true); return own.length > CROWD ? [lo - 0.28 * (hi - lo), hi] : [lo, hi]; };
    const opts = {
      scales: { y: { range: room } },
      cursor: { points: { show: false } },
      series: [legendTime, line("Price", "text", price, { width: 1.2, alpha: 0.8, stroke: (u) => (candle(u) ? hidden : colours.text) }), line("High", "muted", price, { width: 0 }), line("Low", "muted", price, { width: 0 })],
      bands: [{ series: [2, 3], fill: (u) => (candle(u) ? hidden : filled("muted")(u)) }],
      axes: [timeAxis(), yAxis(tick)],
      hooks: { draw: [drawTrades], setCursor: [hover] },
    };
    priceChart = timeChart("price", 400, opts, [marks.t, marks.c, marks.h, marks.l]);
    if (!priceChart) return;
    priceChart.over.appendChild(tip);
    tip.hidden = true;
    let down = null;
    priceChart.over.addEventListener("mousedown", (e) => { down = [e.clientX, e.clientY]; });
    priceChart.over.addEventListener("click", (e) => {
      if (down && Math.abs(e.clientX - down[0]) + Math.abs(e.clientY - down[1]) > 4) return;
      const box = priceChart.over.getBoundingClientRect(), n = nearest(priceChart, e.clientX - box.left, e.clientY - box.top);
      if (n >= 0) choose(seen.k[n], false);
    });
    if (view && view.min != null && timeCharts.length > 1) priceChart.setScale("x", { min: view.min, max: view.max });
  }
  const select = document.getElementById("symbol");
  function choose(k, zoom) {
    chosen = k;
    if (detail) { detail.textContent = tell(k).join(" \u00b7 "); detail.style.borderColor = T.p[k] > 0 ? colours.gain : colours.loss; }
    if (zoom) {
      if (select && Number(select.value) !== T.i[k]) { select.value = String(T.i[k]); showPrice(T.i[k]); }
      const long = Math.max(T.xt[k] - T.et[k], 6 * 3600);
      range(T.et[k] - long, T.xt[k] + long);
    }
    if (priceChart) priceChart.redraw(false);
  }
  if (data.marks && data.marks.length) {
    for (const m of data.marks) m.t = running(m.t);
    // The instrument with most trades is shown first.
    const by = data.marks.map(() => 0);
    for (let k = 0; k < total; k++) by[T.i[k]]++;
    const most = by.indexOf(Math.max(...by));
    if (select) { select.value = String(most); select.addEventListener("change", () => showPrice(Number(select.value))); }
    for (const m of data.marks) if (m.t.length) { first = Math.min(first, m.t[0]); last = Math.max(last, m.t[m.t.length - 1]); }
    showPrice(most);
  }
  function beside(step) {
    if (!own.length) return;
    const at = own.indexOf(chosen);
    choose(own[at < 0 ? (step > 0 ? 0 : own.length - 1) : (at + step + own.length) % own.length], true);
  }
  for (const [id, step] of [["before", -1], ["after", 1]]) {
    const b = document.getElementById(id);
    if (b) b.addEventListener("click", () => beside(step));
  }

  // ---- histograms ----
  function histogram(id, bins, colour) {
    if (!bins || !bins.length) return;
    const x = bins.map((b, i) => i), n = bins.map((b) => b[1]);
    // Profits left of zero and right of it have colours of their own; holding times have one.
    const signs = colour ? null : bins.map((b) => (b[3] < 0 ? 1 : 0));
    const bars = uPlot.paths.bars({ size: [0.92, 60], align: 0 });
    const series = signs
      ? [0, 1].map((s) => ({ label: s ? "lost" : "won", stroke: stroke(s ? "loss" : "gain"), fill: filled(s ? "loss" : "gain"), width: 1, paths: bars, points: { show: false }, value: (u, v) => (v == null ? "\u2013" : num(v, 0)) }))
      : [{ label: "trades", stroke: stroke(colour), fill: filled(colour), width: 1, paths: bars, points: { show: false }, value: (u, v) => num(v, 0) }];
    const columns = signs ? [x, n.map((v, i) => (signs[i] ? null : v)), n.map((v, i) => (signs[i] ? v : null))] : [x, n];
    const step = Math.ceil(bins.length / (window.innerWidth < 560 ? 5 : 8));
    chart(id, 220, {
      scales: { x: { time: false, range: [-0.6, bins.length - 0.4] }, y: { range: (u, min, max) => [0, (max || 1) * 1.08] } },
      cursor: { drag: { x: false, y: false }, y: false },
      series: [{ label: "range", value: (u, v) => (v == null ? "\u2013" : bins[v][0] + ": " + plus(bins[v][2], money(bins[v][2])) + " " + data.quote) }, ...series],
      axes: [axis({ grid: { show: false }, splits: () => x.filter((v) => v % step === 0), values: (u, vs) => vs.map((v) => bins[v][4]) }), yAxis((v) => (v % 1 ? "" : num(v, 0)))],
    }, columns);
  }
  histogram("profits", data.profits, null);
  histogram("holding", data.holding, "accent");

  // ---- table of trades ----
  const body = document.getElementById("trades-body");
  if (body && total) {
    const PAGE = 25;
    let order = Array.from({ length: total }, (_, k) => k), page = 0, key = "xt", down = true;
    const value = { et: (k) => T.et[k], xt: (k) => T.xt[k], held: (k) => T.xt[k] - T.et[k], p: (k) => T.p[k], f: (k) => T.f[k], i: (k) => T.i[k], s: (k) => T.s[k], d: (k) => T.d[k], q: (k) => T.q[k], ep: (k) => T.ep[k], xp: (k) => T.xp[k] };
    const cell = (row, text, cls) => { const td = document.createElement("td"); td.textContent = text; if (cls) td.className = cls; row.appendChild(td); return td; };
    const fill = () => {
      body.textContent = "";
      for (const k of order.slice(page * PAGE, page * PAGE + PAGE)) {
        const row = document.createElement("tr");
        cell(row, when(T.et[k])); cell(row, when(T.xt[k]), "l"); cell(row, held(T.xt[k] - T.et[k])); cell(row, symbolOf(k), "l"); cell(row, T.s[k] + ": " + (data.names[T.s[k]] || "?"), "l").title = strategyOf(k); cell(row, T.d[k] ? "short" : "long", "l");
        cell(row, num(T.q[k], Math.abs(T.q[k]) >= 100 ? 2 : 5)); cell(row, price(T.ep[k])); cell(row, price(T.xp[k])); cell(row, money(T.f[k]));
        cell(row, plus(T.p[k], money(T.p[k])), T.p[k] > 0 ? "gain" : "loss");
        const b = document.createElement("button");
        b.type = "button"; b.textContent = "show"; b.setAttribute("aria-label", "show the trade of " + when(T.et[k]) + " in the chart");
        b.addEventListener("click", () => { choose(k, true); document.getElementById("price-section").scrollIntoView(); });
        cell(row, "").appendChild(b);
        body.appendChild(row);
      }
      const pages = Math.ceil(total / PAGE);
      document.getElementById("page-at").textContent = "page " + num(page + 1, 0) + " of " + num(pages, 0);
      document.getElementById("page-before").disabled = page === 0;
      document.getElementById("page-after").disabled = page >= pages - 1;
      for (const b of document.querySelectorAll("button.sort")) {
        const on = b.dataset.key === key;
        b.closest("th").setAttribute("aria-sort", on ? (down ? "descending" : "ascending") : "none");
        b.lastElementChild.textContent = on ? (down ? " \u25be" : " \u25b4") : "";
      }
    };
    for (const b of document.querySelectorAll("button.sort")) b.addEventListener("click", () => {
      down = b.dataset.key === key ? !down : true; key = b.dataset.key; page = 0;
      const v = value[key], sign = down ? -1 : 1;
      order.sort((x, y) => sign * (v(x) - v(y)) || x - y);
      fill();
    });
    document.getElementById("page-before").addEventListener("click", () => { page--; fill(); });
    document.getElementById("page-after").addEventListener("click", () => { page++; fill(); });
    order.sort((x, y) => T.xt[y] - T.xt[x] || y - x);
    fill();
  }

  // ---- theme, size, printing ----
  function again() { readColours(); for (const { u } of charts) u.redraw(false, true); if (chosen >= 0) choose(chosen, false); }
  const theme = document.getElementById("theme");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  function nameTheme() { theme.textContent = dark() ? "Light" : "Dark"; theme.setAttribute("aria-label", "switch to the " + (dark() ? "light" : "dark") + " theme"); }
  nameTheme();
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; nameTheme(); again(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { nameTheme(); again(); });
  function fit() { for (const { u, el, h } of charts) u.setSize({ width: width(el), height: height(h) }); }
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(fit); });
  let before = null;
  addEventListener("beforeprint", () => { unseen.clear(); timeCharts.forEach(show); before = root.dataset.theme || ""; root.dataset.theme = "light"; again(); for (const { u, h } of charts) u.setSize({ width: 680, height: h }); });
  addEventListener("afterprint", () => { if (before) root.dataset.theme = before; else delete root.dataset.theme; again(); fit(); });
  for (const el of document.querySelectorAll(".chart")) { const c = el.querySelector("canvas"); if (c) { c.setAttribute("role", "img"); c.setAttribute("aria-label", el.dataset.label || "chart"); } }
  // Charts that begin later (the rolling ratio) show the same time as the others.
  for (const u of timeCharts) u.setScale("x", { min: first, max: last });
})();
