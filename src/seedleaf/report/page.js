"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const made = (tag, text, css) => {
    const el = document.createElement(tag);
    if (text !== undefined) el.textContent = text;
    if (css) el.className = css;
    return el;
  };
  const configs = JSON.parse(byId("configs").textContent);
  const table = byId("trial-table");
  const tip = document.body.appendChild(made("div"));
  tip.id = "tip";
  tip.hidden = true;

  const marks = new Map();
  for (const el of document.querySelectorAll("[data-t]")) {
    if (!marks.has(el.dataset.t)) marks.set(el.dataset.t, []);
    marks.get(el.dataset.t).push(el);
  }
  const settings = (id) => {
    const list = made("dl"), flat = configs.trials[id] || [];
    for (let i = 0; i < flat.length; i += 2) {
      const row = list.appendChild(made("div"));
      row.append(made("dt", configs.names[flat[i]]), made("dd", flat[i + 1]));
    }
    return list;
  };

  // --- one trial lit in every chart and in the table ---
  let lit = null;
  const light = (id) => {
    if (id === lit) return;
    for (const el of marks.get(lit) || []) el.classList.remove("on");
    for (const el of marks.get(id) || []) el.classList.add("on");
    for (const area of document.querySelectorAll(".area")) area.classList.toggle("hover", id !== null && !!area.querySelector(".on"));
    lit = id;
  };
  const describe = (id) => {
    const row = table && table.querySelector(`tbody tr[data-t="${id}"]`);
    tip.replaceChildren();
    const heads = table ? [...table.tHead.rows[0].cells].map((c) => c.textContent) : [];
    const cells = row ? [...row.cells].map((c) => c.textContent) : [id];
    const first = tip.appendChild(made("p"));
    first.append(made("b", `Trial ${cells[0]}`), ` ${cells[1] || ""}`);
    const list = tip.appendChild(made("dl"));
    for (let i = 2; i < cells.length; i++) {
      if (heads[i] === "note") { if (cells[i]) tip.insertBefore(made("p", cells[i], "why"), list); } else list.append(made("dt", heads[i]), made("dd", cells[i]));
    }
    const all = [...settings(id).children];
    for (const pair of all.slice(0, 22)) list.append(...pair.children);
    if (all.length > 22) tip.append(made("p", `and ${all.length - 22} more in the table`));
  };
  const show = (id, x, y) => {
    if (lit !== id) { light(id); describe(id); }
    tip.hidden = false;
    const w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = `${Math.max(8, x + 18 + w > innerWidth ? x - w - 18 : x + 18)}px`;
    tip.style.top = `${Math.max(8, Math.min(y + 12, innerHeight - h - 8))}px`;
  };
  const hide = () => { tip.hidden = true; light(null); };

  // --- finding the trial under the pointer: the nearest drawn point, in pixels ---
  const pointsOf = (area) => {
    const found = [];
    for (const el of area.querySelectorAll("path[data-t]")) {
      const n = el.getAttribute("d").replace(/h\.1$/, "").slice(1).split(" ").map(Number);
      for (let i = 0; i + 1 < n.length; i += 2) found.push([n[i], n[i + 1], el]);
    }
    return found;
  };
  for (const area of document.querySelectorAll(".area")) {
    let points = null, queued = false, at = null;
    const find = () => {
      queued = false;
      if (!at) return;
      points ||= pointsOf(area);
      const box = area.getBoundingClientRect(), sx = box.width / 1000, sy = box.height / 1000;
      const x = at.x - box.left, y = at.y - box.top;
      let best = 40 * 40, hit = null;
      for (const [px, py, el] of points) {
        const d = (px * sx - x) ** 2 + (py * sy - y) ** 2;
        if (d < best && getComputedStyle(el).display !== "none") { best = d; hit = el; }
      }
      if (hit) show(hit.dataset.t, at.x, at.y); else hide();
    };
    const move = (e) => {
      at = { x: e.clientX, y: e.clientY };
      if (!queued) { queued = true; requestAnimationFrame(find); }
    };
    area.addEventListener("pointermove", move);
    area.addEventListener("pointerdown", move);
    area.addEventListener("pointerleave", () => { at = null; hide(); });
    area.addEventListener("blur", hide);
    area.addEventListener("keydown", (e) => {
      if (e.key === "Escape") return hide();
      if (!table || (e.key !== "ArrowRight" && e.key !== "ArrowLeft")) return;
      const ids = [...table.tBodies[0].rows].map((r) => r.dataset.t).filter((t) => t && area.querySelector(`[data-t="${t}"]`));
      if (!ids.length) return;
      e.preventDefault();
      const next = ids[(ids.indexOf(lit) + (e.key === "ArrowRight" ? 1 : -1) + ids.length) % ids.length];
      const box = area.querySelector(`[data-t="${next}"]`).getBoundingClientRect();
      show(next, box.right, box.top);
    });
  }
  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "false";
      button.setAttribute("aria-pressed", String(!on));
      button.closest("figure").classList.toggle(`hide-${button.className}`, on);
    });
  }

  // --- the table: sort, open a row, filter ---
  if (table) {
    const body = table.tBodies[0];
    const close = () => body.querySelectorAll(".opened").forEach((r) => r.remove());
    const key = (row, i) => {
      const cell = row.cells[i];
      if (!cell.classList.contains("n")) return cell.textContent;
      const number = cell.dataset.v ?? cell.textContent;
      return number === "" ? NaN : Number(number);
    };
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      head.firstElementChild.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        close();
        const rows = [...body.rows].map((r) => [key(r, i), r]);
        // What has no number comes last in either order.
        rows.sort(([a], [b]) => (a !== a) - (b !== b) || (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1));
        body.append(...rows.map(([, r]) => r));
      });
    });
    body.addEventListener("click", (e) => {
      const row = e.target.closest("tr[data-t]");
      if (!row || getSelection().toString()) return;
      const open = row.nextElementSibling && row.nextElementSibling.classList.contains("opened");
      close();
      if (open) return;
      const cell = made("td");
      cell.colSpan = row.cells.length;
      cell.append(settings(row.dataset.t));
      const extra = made("tr", undefined, "opened");
      extra.append(cell);
      row.after(extra);
    });
    body.addEventListener("mouseover", (e) => { const row = e.target.closest("tr[data-t]"); if (row) light(row.dataset.t); });
    body.addEventListener("mouseleave", () => light(null));
    const text = new Map([...body.rows].map((r) => [r, (r.textContent + " " + [...settings(r.dataset.t).children].map((d) => `${d.firstChild.textContent} ${d.lastChild.textContent}`).join(" ")).toLowerCase()]));
    byId("find").addEventListener("input", (e) => {
      close();
      const words = e.target.value.toLowerCase().split(/\s+/);
      let n = 0;
      for (const [row, all] of text) { row.hidden = !words.every((w) => all.includes(w)); n += !row.hidden; }
      byId("found").textContent = `${n} of ${text.size} trials`;
    });
  }
  for (const box of document.querySelectorAll(".code")) {
    const button = box.appendChild(made("button", "Copy"));
    button.type = "button";
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(box.querySelector("code").textContent); button.textContent = "Copied"; } catch { getSelection().selectAllChildren(box.querySelector("code")); button.textContent = "Selected"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
