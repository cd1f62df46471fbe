"use strict";
var parslPages = (function () {
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var coarse = window.matchMedia("(pointer: coarse)");
  var roots = [];
  var pages = { base: null };

  function colours() {
    var style = getComputedStyle(document.documentElement);
    return { ink: style.getPropertyValue("--ink").trim(), quiet: style.getPropertyValue("--quiet").trim(),
             line: style.getPropertyValue("--line").trim() };
  }
  function dress(figure) {
    var c = colours();
    [].concat(figure.left, figure.below, figure.right, figure.above).forEach(function (part) {
      if (part.major_label_text_color !== undefined) {
        part.major_label_text_color = c.ink;
        part.axis_label_text_color = c.quiet;
        part.major_tick_line_color = c.line;
      }
    });
    figure.center.forEach(function (part) { if (part.grid_line_color) { part.grid_line_color = c.line; } });
  }
  function opens(figure) {
    if (pages.base === null) { return; }
    figure.renderers.forEach(function (renderer) {
      var source = renderer.data_source;
      if (!source || !source.data.task) { return; }
      source.selected.change.connect(function () {
        var chosen = source.selected.indices;
        if (chosen.length) {
          var task = source.data.task[chosen[0]];
          source.selected.indices = [];
          window.location.href = pages.base + "/task/" + task;
        }
      });
    });
  }
  pages.plot = function (id, item) {
    var place = document.getElementById(id);
    if (!place) { return; }
    Bokeh.embed.embed_item(item, id).then(function (manager) {
      var figure = (manager.roots ? manager.roots[0] : manager[0]).model;
      var narrow = place.clientWidth < 560;
      if (narrow) {  // long names of workers must not take the room of their bars
        figure.left.concat(figure.right).forEach(function (axis) {
          if (axis.major_label_text_font_size !== "0px") { axis.major_label_text_font_size = "10px"; }
        });
        figure.below.forEach(function (axis) { axis.ticker.desired_num_ticks = 3; axis.major_label_text_font_size = "11px"; });
        figure.toolbar_location = null;
        figure.toolbar.visible = false;
      }
      roots.push(figure);
      dress(figure);
      opens(figure);
    });
  };
  dark.addEventListener("change", function () { roots.forEach(dress); });

  // -- the table of tasks ---------------------------------------------------------------------------------

  var SIZE = 50;
  var AT = { task: 0, app: 1, state: 2, kind: 3, began: 4, took: 5, tries: 6, executor: 7, host: 8, error: 9 };

  function duration(s) {
    if (s === null) { return "–"; }
    if (s < 0.001) { return (s * 1000).toFixed(1) + " ms"; }
    if (s < 0.9995) { return Math.round(s * 1000) + " ms"; }
    if (s < 59.95) { return s.toFixed(1) + " s"; }
    var whole = Math.round(s);
    if (whole < 3600) { return Math.floor(whole / 60) + " min " + (whole % 60) + " s"; }
    return Math.floor(whole / 3600) + " h " + Math.floor(whole % 3600 / 60) + " min";
  }
  function cell(row, text, kind) {
    var td = row.insertCell();
    td.textContent = text;
    if (kind) { td.className = kind; }
    return td;
  }
  // rows that are here are searched here; the server answers the same questions otherwise
  function local(rows, ask) {
    var q = ask.q.toLowerCase();
    var found = rows.filter(function (r) {
      return (!ask.app || r[AT.app] === ask.app) &&
        (!ask.kind || (ask.kind === "retried" ? r[AT.tries] > 1 : r[AT.kind] === ask.kind)) &&
        (!q || String(r[AT.task]) === q || (r[AT.host] + " " + r[AT.error] + " " + r[AT.executor]).toLowerCase().indexOf(q) >= 0);
    });
    var at = AT[ask.sort], way = ask.down ? -1 : 1;
    found.sort(function (a, b) {
      var x = a[at], y = b[at];
      if (x === y) { return a[0] - b[0]; }
      if (x === null) { return 1; }
      if (y === null) { return -1; }
      return (x < y ? -1 : 1) * way;
    });
    return Promise.resolve({ count: found.length, rows: found.slice(ask.page * SIZE, (ask.page + 1) * SIZE) });
  }
  function remote(url, ask) {
    return fetch(url + "?" + new URLSearchParams(ask)).then(function (answer) { return answer.json(); });
  }
  pages.tasks = function (place, from) {
    var form = place.querySelector("form"), body = place.querySelector("tbody"), pager = place.querySelector(".pager");
    var wanted = new URLSearchParams(location.search);
    var ask = { app: "", kind: "", q: "", sort: "task", down: "", page: 0 };
    ["app", "kind", "q"].forEach(function (name) {
      if (wanted.get(name)) { form.elements[name].value = ask[name] = wanted.get(name); }
    });
    function show() {
      (typeof from === "string" ? remote(from, ask) : local(from, ask)).then(function (found) {
        body.textContent = "";
        found.rows.forEach(function (r) {
          var row = body.insertRow();
          var first = cell(row, "");
          if (pages.base !== null) {
            var link = document.createElement("a");
            link.href = pages.base + "/task/" + r[0];
            link.textContent = r[0];
            first.appendChild(link);
          } else { first.textContent = r[0]; }
          cell(row, r[AT.app]);
          var state = cell(row, "");
          var dot = document.createElement("i");
          dot.className = "dot k-" + r[AT.kind].replace(" ", "-");
          state.appendChild(dot);
          state.appendChild(document.createTextNode(r[AT.state]));
          cell(row, duration(r[AT.began]), "n");
          cell(row, duration(r[AT.took]), "n");
          cell(row, r[AT.tries] || "–", "n");
          cell(row, r[AT.executor], "wide");
          cell(row, r[AT.host], "wide");
          cell(row, r[AT.error], "wide text");
        });
        if (!found.rows.length) { cell(body.insertRow(), "no task fits", "quiet").colSpan = 9; }
        var last = Math.min(found.count, (ask.page + 1) * SIZE);
        pager.querySelector("span").textContent = found.count ?
          (ask.page * SIZE + 1).toLocaleString("en") + " to " + last.toLocaleString("en") + " of " + found.count.toLocaleString("en") : "";
        pager.querySelector("[data-step='-1']").disabled = !ask.page;
        pager.querySelector("[data-step='1']").disabled = last >= found.count;
        place.querySelectorAll("th button").forEach(function (button) {
          if (button.dataset.sort === ask.sort) { button.setAttribute("aria-sort", ask.down ? "down" : "up"); }
          else { button.removeAttribute("aria-sort"); }
        });
        place.dataset.shown = found.count;
      });
    }
    form.addEventListener("input", function () {
      ["app", "kind", "q"].forEach(function (name) { ask[name] = form.elements[name].value.trim(); });
      ask.page = 0;
      show();
    });
    place.querySelectorAll("th button").forEach(function (button) {
      button.addEventListener("click", function () {
        ask.down = ask.sort === button.dataset.sort && !ask.down ? "1" : "";
        ask.sort = button.dataset.sort;
        ask.page = 0;
        show();
      });
    });
    pager.addEventListener("click", function (event) {
      var step = Number(event.target.dataset.step || 0);
      if (step) { ask.page += step; show(); }
    });
    show();
  };

  // -- runs that go on --------------------------------------------------------------------------------------

  pages.reload = function (every) {
    setInterval(function () {
      if (document.hidden) { return; }
      fetch(location.href).then(function (answer) { return answer.text(); }).then(function (text) {
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
        if (fresh) { document.querySelector("main").innerHTML = fresh.innerHTML; }
      }).catch(function () {});
    }, every);
  };
  pages.live = function (url) {
    function look() {
      if (document.hidden) { setTimeout(look, 2000); return; }
      fetch(url).then(function (answer) { return answer.json(); }).then(function (news) {
        Object.keys(news.parts || {}).forEach(function (name) {
          var place = document.querySelector("[data-part='" + name + "']");
          if (place) { place.innerHTML = news.parts[name]; }
        });
        roots.forEach(function (figure) {
          var data = (news.plots || {})[figure.name];
          if (!data) { return; }
          if (data.top) { figure.y_range.end = data.top; }
          Object.keys(data.tops || {}).forEach(function (name) {
            var ranges = figure.extra_y_ranges;
            (ranges instanceof Map ? ranges.get(name) : ranges[name]).end = data.tops[name];
          });
          if (data.rows && data.rows.join() !== figure.y_range.factors.join()) {
            figure.y_range.factors = data.rows;
            figure.height = data.height;
          }
          figure.renderers.forEach(function (renderer) {
            if (renderer.data_source.name === figure.name + "-data") { renderer.data_source.data = data.columns; }
          });
        });
        if (news.status === "running") { setTimeout(look, Math.max(2000, news.pause || 0)); }
        else { location.reload(); }
      }).catch(function () { setTimeout(look, 5000); });
    }
    setTimeout(look, 2000);
  };
  return pages;
})();
