// The map answers to pointer, finger and keyboard. All else in the report works without a script.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const REACH = 14; // pixels between a pointer and the point that it means
  const LEAST_WEIGHT = 0.024; // lighter ones are not drawn

  // MLflow shows the report in a sandboxed frame, which refuses every address, even of a place in the page itself.
  if (window !== window.top) document.addEventListener("click", jump);

  function jump(event) {
    const link = event.target.closest('a[href^="#"]');
    const place = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    place.scrollIntoView();
  }

  const map = document.querySelector(".map");
  if (!map) return;
  const tip = map.appendChild(Object.assign(document.createElement("div"), { className: "tip", hidden: true }));
  const readout = map.querySelector(".readout");
  let points = null;

  const read = (kind) =>
    Array.from(map.querySelectorAll(`.queries.${kind} li`), (item) => ({
      kind,
      x: Number(item.dataset.x),
      y: Number(item.dataset.y),
      weights: item.dataset,
      text: item.textContent,
    }));

  function visible(panel) {
    points ??= [...read("real"), ...read("written")];
    const shown = (kind) => map.querySelector(`.toggle.${kind}`).checked;
    const drawn = (point) => !(Number(weight(panel, point)) < LEAST_WEIGHT);
    return points.filter((point) => shown(point.kind) && drawn(point));
  }

  const weight = (panel, point) => point.weights[panel.dataset.kind];

  function words(panel, point) {
    const mine = weight(panel, point);
    return mine === undefined ? point.kind : `${point.kind}, weight ${mine}`;
  }

  function nearest(some, x, y) {
    let best = null;
    let least = Infinity;
    for (const point of some) {
      const distance = Math.hypot(point.x - x, point.y - y);
      if (distance < least) [best, least] = [point, distance];
    }
    return [best, least];
  }

  function hide() {
    tip.hidden = true;
    for (const ring of map.querySelectorAll(".here")) ring.remove();
  }

  function show(panel, point) {
    hide();
    for (const each of map.querySelectorAll(".points")) {
      const ring = each.appendChild(document.createElementNS(SVG, "circle"));
      const place = { class: "here", cx: point.x, cy: point.y, r: 14 };
      for (const [name, value] of Object.entries(place)) ring.setAttribute(name, value);
    }
    // As text, never as markup: strangers wrote it.
    tip.textContent = point.text;
    tip.appendChild(Object.assign(document.createElement("span"), { className: "what", textContent: words(panel, point) }));
    tip.hidden = false;
    beside(panel, point);
    panel.current = point;
  }

  function beside(panel, point) {
    const [inside, outside] = [panel.getBoundingClientRect(), map.getBoundingClientRect()];
    const scale = inside.width / panel.viewBox.baseVal.width;
    const x = inside.left - outside.left + point.x * scale;
    const y = inside.top - outside.top + point.y * scale;
    const room = outside.width - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, x - tip.offsetWidth / 2))}px`;
    tip.style.top = `${y - tip.offsetHeight - 14 < inside.top - outside.top ? y + 14 : y - tip.offsetHeight - 14}px`;
  }

  function point(panel, event) {
    const frame = panel.getBoundingClientRect();
    const scale = panel.viewBox.baseVal.width / frame.width;
    const [found, distance] = nearest(
      visible(panel),
      (event.clientX - frame.left) * scale,
      (event.clientY - frame.top) * scale,
    );
    if (found && distance <= REACH * scale) show(panel, found);
    else hide();
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // The nearest point within the quarter of the map that an arrow points at.
  function onward(panel, [right, down]) {
    const from = panel.current;
    const ahead = visible(panel).filter((each) => {
      const along = (each.x - from.x) * right + (each.y - from.y) * down;
      return along > 0 && along >= Math.abs((each.x - from.x) * down) + Math.abs((each.y - from.y) * right);
    });
    return nearest(ahead, from.x, from.y)[0];
  }

  function key(panel, event) {
    if (event.key === "Escape") hide();
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    const next = panel.current ? onward(panel, ARROWS[event.key]) : nearest(visible(panel), 500, 500)[0];
    if (!next) return;
    show(panel, next);
    readout.textContent = `${next.text} (${words(panel, next)})`;
  }

  for (const panel of map.querySelectorAll(".points")) {
    panel.addEventListener("pointermove", (event) => point(panel, event));
    panel.addEventListener("pointerdown", (event) => point(panel, event));
    panel.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
    panel.addEventListener("keydown", (event) => key(panel, event));
    panel.addEventListener("blur", hide);
  }
  for (const toggle of map.querySelectorAll(".toggle")) toggle.addEventListener("change", hide);
})();
