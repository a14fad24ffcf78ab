"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var bytes = Uint8Array.from(atob(data.columns.replace(/-/g, "+").replace(/_/g, "/")), function (c) { return c.charCodeAt(0); });
  var columns = new Uint32Array(bytes.buffer), n = data.count;
  function column(i) { return columns.subarray(i * n, (i + 1) * n); }
  var sent = column(0), took = column(1), queue = column(2), init = column(3), run = column(4), lane = column(5), info = column(6);
  var canvas = document.getElementById("timeline"), text = document.getElementById("timeline-text"), idle = text.textContent;
  var from = 0, to = data.end, drag = null, shown = [true, true, true, true, true, true], scheduled = false;
  var top = 4, bottom = 22;
  // What is rare and bad is drawn last, over the rest.
  var order = Array.from({ length: 6 }, function () { return []; });
  for (var i = 0; i < n; i++) order[info[i] & 7].push(i);

  function kind(i) { return info[i] & 7; }
  function attempt(i) { return info[i] >>> 3 & 255; }
  function name(i) { return data.names[info[i] >>> 11]; }
  function span(ticks) {
    var s = ticks * data.tick / 1e9;
    if (s === 0) return "0";
    if (s < 1e-3) return (s * 1e6).toPrecision(3) + " µs";
    if (s < 1) return +(s * 1e3).toPrecision(3) + " ms";
    if (s < 120) return +s.toPrecision(3) + " s";
    function two(n) { return String(Math.floor(n)).padStart(2, "0"); }
    return s < 3600 ? Math.floor(s / 60) + "m" + two(s % 60) + "s" : Math.floor(s / 3600) + "h" + two(s / 60 % 60) + "m";
  }
  function style(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function rowHeight() { return (canvas.clientHeight - top - bottom) / data.rows; }
  function timeAt(x) { return from + (to - from) * x / canvas.clientWidth; }

  function draw() {
    scheduled = false;
    var width = canvas.clientWidth, height = canvas.clientHeight, scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    var c = canvas.getContext("2d");
    c.scale(scale, scale);
    c.clearRect(0, 0, width, height);
    axis(c, width, height);
    var row = rowHeight(), thick = Math.max(row > 4 ? row - 1 : row, 1), perTick = width / (to - from);
    for (var k = 0; k < 6; k++) {
      if (!shown[k]) continue;
      var strong = style("--k" + k), list = order[k];
      c.fillStyle = strong;
      for (var j = 0; j < list.length; j++) {
        var i = list[j];
        if (sent[i] > to || sent[i] + took[i] < from) continue;
        var x = (sent[i] - from) * perTick, w = Math.max(took[i] * perTick, 1), y = top + lane[i] * row;
        var inner = Math.min(run[i] * perTick, w), early = Math.min(init[i] * perTick, w - inner);
        if (w < 8 || row < 4 || inner === 0) {
          c.fillRect(x, y, w, thick);
          continue;
        }
        // Faint: under way. Strong: in the agent, its cold start hatched by a gap.
        c.globalAlpha = 0.35;
        c.fillRect(x, y, w, thick);
        c.globalAlpha = 0.65;
        var at = x + (w - inner - early) / 2;
        c.fillRect(at, y, early, thick);
        c.globalAlpha = 1;
        c.fillRect(at + early, y, inner, thick);
      }
    }
    if (drag) {
      c.fillStyle = style("--muted");
      c.globalAlpha = 0.25;
      c.fillRect(Math.min(drag.from, drag.to), 0, Math.abs(drag.to - drag.from), height - bottom);
      c.globalAlpha = 1;
    }
  }
  function axis(c, width, height) {
    var unit = data.tick / 1e9, room = (to - from) * unit / Math.max(width / 110, 1);
    var step = Math.pow(10, Math.floor(Math.log10(room)));
    step *= room / step > 5 ? 10 : room / step > 2 ? 5 : room / step > 1 ? 2 : 1;
    c.font = "12px system-ui, sans-serif";
    c.strokeStyle = style("--line");
    c.fillStyle = style("--muted");
    for (var s = Math.ceil(from * unit / step) * step; s <= to * unit; s += step) {
      var x = Math.round((s / unit - from) / (to - from) * width) + 0.5, label = span(Math.round(s / unit));
      c.beginPath();
      c.moveTo(x, 0);
      c.lineTo(x, height - bottom + 4);
      c.stroke();
      if (x + c.measureText(label).width + 4 < width) c.fillText(label, x + 3, height - 7);
    }
  }
  function redraw() {
    if (!scheduled) {
      scheduled = true;
      requestAnimationFrame(draw);
    }
  }
  function zoom(a, b) {
    var least = Math.min(data.end, 10), length = Math.min(Math.max(b - a, least), data.end);
    from = Math.min(Math.max(a, 0), data.end - length);
    to = from + length;
    redraw();
  }
  function find(x, y) {
    var row = rowHeight(), t = timeAt(x), slack = 2 * (to - from) / canvas.clientWidth, best = -1, distance = Infinity;
    for (var i = 0; i < n; i++) {
      if (!shown[kind(i)] || t < sent[i] - slack || t > sent[i] + took[i] + slack) continue;
      var d = Math.abs(top + (lane[i] + 0.5) * row - y);
      if (d < distance) {
        distance = d;
        best = i;
      }
    }
    return distance <= Math.max(row, 6) ? best : -1;
  }
  function describe(i) {
    if (i < 0) return idle;
    return name(i) + ": " + data.kinds[kind(i)] + ", sent at " + span(sent[i]) + " after " + span(queue[i]) + " in the queue, took " + span(took[i]) +
      (run[i] ? ", of it " + span(run[i]) + " in the agent" : "") + (init[i] ? ", " + span(init[i]) + " cold start" : "") +
      (attempt(i) > 1 ? ", attempt " + attempt(i) : "") + ", row " + (lane[i] + 1) + ".";
  }
  canvas.addEventListener("pointerdown", function (e) {
    drag = { from: e.offsetX, to: e.offsetX };
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener("pointermove", function (e) {
    if (drag) {
      drag.to = e.offsetX;
      redraw();
    } else {
      text.textContent = describe(find(e.offsetX, e.offsetY));
    }
  });
  canvas.addEventListener("pointerup", function () {
    var d = drag;
    drag = null;
    if (d && Math.abs(d.to - d.from) > 4) zoom(timeAt(Math.min(d.from, d.to)), timeAt(Math.max(d.from, d.to)));
    redraw();
  });
  canvas.addEventListener("pointercancel", function () { drag = null; redraw(); });
  canvas.addEventListener("dblclick", function () { zoom(0, data.end); });
  function on(id, move) {
    document.getElementById(id).addEventListener("click", function () { move(to - from); });
  }
  on("in", function (l) { zoom(from + l / 4, to - l / 4); });
  on("out", function (l) { zoom(from - l / 2, to + l / 2); });
  on("left", function (l) { zoom(from - l / 2, to - l / 2); });
  on("right", function (l) { zoom(from + l / 2, to + l / 2); });
  on("all", function () { zoom(0, data.end); });
  document.querySelectorAll(".kinds input").forEach(function (box) {
    box.addEventListener("change", function () {
      shown[box.value] = box.checked;
      redraw();
    });
  });
  canvas.style.height = Math.min(Math.max(data.rows * 14, 90), 460) + top + bottom + "px";
  draw(); // at once: a page that is printed or saved may never get a frame
  new ResizeObserver(redraw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
