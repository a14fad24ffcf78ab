"use strict";
// The page says what the server said last. All texts are set as text: none of them is ever HTML.
(function () {
  var latest = null, paused = false, scheduled = false;
  function id(name) { return document.getElementById(name); }
  function element(name, text, kind) {
    var e = document.createElement(name);
    if (text !== undefined) e.textContent = text;
    if (kind) e.className = kind;
    return e;
  }
  function say(name, text) {
    var e = id(name);
    if (e.textContent !== text) e.textContent = text; // a screen reader hears of changes only
  }

  // rows fills a table's body, and hides the table where there is nothing to show.
  function rows(name, list, none, build) {
    id(name + "-table").hidden = list.length === 0;
    if (none) id(none).hidden = list.length > 0;
    var body = document.createDocumentFragment(), titles = id(name + "-table").querySelectorAll("thead th");
    list.forEach(function (item) {
      var row = element("tr");
      build(row, item);
      for (var i = 1; i < row.cells.length; i++) row.cells[i].dataset.title = titles[i].textContent; // for narrow screens
      body.append(row);
    });
    id(name).replaceChildren(body);
  }
  function head(row, text) {
    var cell = element("th", text);
    cell.scope = "row";
    row.append(cell);
    return cell;
  }

  function facts(list) {
    id("facts").replaceChildren.apply(id("facts"), list.map(function (f) {
      var card = element("div", undefined, f.bad ? "bad" : ""), value = element("dd", f.value);
      if (f.note) value.append(element("small", f.note));
      card.append(element("dt", f.name), value);
      return card;
    }));
  }

  function showRuns(v) {
    rows("runs", v.runs, "no-runs", function (row, r) {
      head(row, r.func);
      var cell = element("td");
      if (r.part >= 0) {
        var bar = element("progress");
        bar.max = 1;
        bar.value = r.part;
        bar.setAttribute("aria-label", r.func);
        cell.append(bar, " " + Math.floor(r.part * 100) + "%");
      } else {
        cell.textContent = "of unknown length";
      }
      row.append(cell, element("td", r.items), element("td", r.rate), element("td", r.left), element("td", r.cost));
      var now = element("td", r.state + (r.counts ? ": " + r.counts : ""), "text" + (r.bad ? " bad" : ""));
      if (r.problem) now.append(element("pre", r.problem));
      row.append(now);
    });
    say("more-runs", v.moreRuns);
  }

  function showFailures(v) {
    rows("failures", v.failures, "no-failures", function (row, f) {
      head(row, f.text);
      row.append(element("td", f.func, "name"), element("td", f.items));
      var example = element("td", f.example, "text");
      if (f.request) example.append(element("br"), element("code", "request " + f.request));
      if (f.logs && f.logs.length) example.append(element("pre", f.logs.join("\n")));
      row.append(example);
    });
    say("more-failures", v.moreFailures);
  }

  function showSlow(v) {
    rows("slow", v.slow, "no-slow", function (row, s) {
      head(row, s.func);
      row.append(element("td", s.items), element("td", s["for"]), element("td", s.attempt + (s.hedge ? ", a hedge" : "")));
    });
  }

  function showDetached(v) {
    say("notice", v.notice);
    if (JSON.stringify(v.detached) === id("detached").dataset.shown) return; // a button keeps the focus
    id("detached").dataset.shown = JSON.stringify(v.detached);
    rows("detached", v.detached, null, function (row, d) {
      head(row, d.id);
      row.append(element("td", d.func), element("td", d.created), element("td", d.state, "text" + (d.failed ? " bad" : "")));
      var actions = element("td");
      if (!d.ended) actions.append(action("Cancel", d.id, "cancel", "Cancel the run " + d.id + "? What has begun runs on."));
      else if (d.failed) actions.append(action("Run what failed again", d.id, "retry", "Run again what failed of " + d.id + "?"));
      row.append(actions);
    });
  }
  function action(text, run, what, question) {
    var button = element("button", text);
    button.type = "button";
    button.setAttribute("aria-label", text + ": " + run);
    button.addEventListener("click", function () {
      if (confirm(question)) post("detached/" + encodeURIComponent(run) + "/" + what, button);
    });
    return button;
  }
  function post(path, button) {
    button.disabled = true;
    say("notice", "asking the store …");
    fetch(path, { method: "POST" }).then(function (answer) {
      if (!answer.ok) say("notice", "refused: " + answer.status);
    }, function () { say("notice", "the program cannot be reached"); }).finally(function () { button.disabled = false; });
  }

  function path(values, top, width, height, closed) {
    if (!values.length) return "";
    var step = width / Math.max(values.length - 1, 1), d = closed ? "M0 " + height : "";
    values.forEach(function (value, i) {
      d += (d ? "L" : "M") + (i * step).toFixed(1) + " " + (height - Math.min(value / top, 1) * (height - 4)).toFixed(1);
    });
    return closed ? d + "L" + width + " " + height + "Z" : d;
  }
  function marks(values, width, y) {
    var step = width / Math.max(values.length - 1, 1), d = "";
    values.forEach(function (value, i) {
      if (value > 0) d += "M" + (i * step - 2).toFixed(1) + " " + y + "h4v5h-4z";
    });
    return d;
  }
  function draw(name, parts) {
    id(name).replaceChildren.apply(id(name), parts.filter(function (p) { return p.d; }).map(function (p) {
      var e = document.createElementNS("http://www.w3.org/2000/svg", "path");
      e.setAttribute("class", p.kind);
      e.setAttribute("d", p.d);
      return e;
    }));
  }
  function span(seconds) { return seconds < 120 ? seconds + " s ago" : Math.round(seconds / 60) + " min ago"; }
  function showSeries(v) {
    var s = v.series, n = s.inFlight.length;
    if (!n) return;
    // A limit far above what is used would make a flat line of the use.
    var used = Math.max.apply(null, s.inFlight), limit = Math.max.apply(null, s.limit.concat(1)), top = used ? Math.max(used, Math.min(limit, used * 2)) : limit;
    draw("flight", [
      { kind: "area", d: path(s.inFlight, top, 600, 150, true) }, { kind: "limit", d: path(s.limit, top, 600, 150, false) },
      { kind: "throttled", d: marks(s.throttled, 600, 0) }, { kind: "retried", d: marks(s.retried, 600, 8) },
    ]);
    var most = Math.max.apply(null, s.rate.concat(1));
    draw("rate", [{ kind: "area", d: path(s.rate, most, 600, 150, true) }]);
    say("flight-from", span(n * s.step));
    say("rate-from", span(n * s.step));
    say("flight-top", "top: " + top.toLocaleString("en") + (limit > top ? ", allowed: up to " + limit.toLocaleString("en") : ""));
    say("rate-top", "top: " + most.toLocaleString("en"));
    say("series-text", s.text);
  }

  function showAgents(v) {
    var t = v.agents, canvas = id("agents"), rowHeight = 14, height = Math.max(t.rows.length, 1) * rowHeight + 4;
    if (t.rows.length) say("agents-text", t.text + ".");
    var width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
    canvas.style.height = height + "px";
    canvas.width = width * scale;
    canvas.height = height * scale;
    var c = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    function color(name) { return style.getPropertyValue(name).trim(); }
    var colors = { ".": color("--k0"), h: color("--k2"), x: color("--k4") }, cold = color("--k1");
    c.scale(scale, scale);
    var per = width / Math.max(t.span, 1);
    t.rows.forEach(function (row, i) {
      var y = 2 + i * rowHeight;
      row.parts.forEach(function (p, j) {
        var x = Math.max(p[0] * per, 0), all = Math.max(p[1] * per - x, 1);
        var run = Math.min(p[3] * per, all), init = Math.min(p[2] * per, all - run), at = x + (all - run - init) / 2;
        c.fillStyle = colors[row.kinds[j]];
        c.globalAlpha = all < 3 ? 1 : 0.35;
        c.fillRect(x, y, all, rowHeight - 3);
        c.globalAlpha = 1;
        c.fillRect(at + init, y, run, rowHeight - 3);
        c.fillStyle = cold;
        c.fillRect(at, y, init, rowHeight - 3);
      });
    });
  }

  function show() {
    scheduled = false;
    var v = latest;
    say("state", v.state);
    id("state").className = "state " + v.state;
    document.title = v.state + " – lambdapool live";
    say("elapsed", v.elapsed);
    facts(v.facts);
    showRuns(v);
    showSeries(v);
    showAgents(v);
    showFailures(v);
    showSlow(v);
    showDetached(v);
  }
  function schedule() {
    if (!latest || paused || scheduled) return;
    scheduled = true;
    requestAnimationFrame(show);
  }

  var source = new EventSource("events");
  source.onmessage = function (e) {
    latest = JSON.parse(e.data);
    if (latest.state === "ended") source.close(); // nothing will follow
    schedule();
  };
  source.onerror = function () {
    if (latest && latest.state === "ended") return;
    say("state", "the program cannot be reached");
    id("state").className = "state lost";
  };
  id("pause").addEventListener("click", function () {
    paused = !paused;
    id("pause").setAttribute("aria-pressed", String(paused));
    id("pause").textContent = paused ? "Go on" : "Pause";
    schedule();
  });
  id("look").addEventListener("click", function () { post("detached", id("look")); });
  window.addEventListener("resize", schedule);
})();
