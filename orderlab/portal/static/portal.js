"use strict";

// A press counts once; the page says that it is on its way.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    form.setAttribute("aria-busy", "true");
    form.querySelector("button").disabled = true;
  });
}

// Coming back by the "back" button may show the page as it was left: make it usable again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

const region = document.querySelector("[data-stream]");
if (region) listen(region.dataset.stream);

function listen(address) {
  const stream = new EventSource(address);
  const away = document.getElementById("away");
  stream.addEventListener("message", (message) => {
    const news = JSON.parse(message.data);
    for (const [id, html] of Object.entries(news.parts ?? {})) show(document.getElementById(id), html);
    for (const [id, address] of Object.entries(news.images ?? {})) draw(document.getElementById(id), address);
    if (away) away.hidden = true;
    if (news.finished) stream.close();
  });
  stream.addEventListener("away", () => {
    if (away) away.hidden = false;
  });
  stream.addEventListener("error", () => {
    const stopped = document.getElementById("stopped");
    if (stopped && stream.readyState === EventSource.CLOSED) stopped.hidden = false;
  });
  window.addEventListener("pagehide", () => stream.close());
}

// Only what changed is touched, so that a screen reader says only what is new.
function show(element, html) {
  if (element.dataset.html === html) return;
  const before = element.children.length;
  element.dataset.html = html;
  const template = document.createElement("template");
  template.innerHTML = html;
  if (template.innerHTML === element.innerHTML) return;
  element.replaceChildren(template.content);
  if (!element.matches("ol")) return;
  [...element.children].slice(before).forEach((item, n) => {
    item.classList.add("new");
    item.style.animationDelay = `${n * 45}ms`;
  });
}

// The old drawing stays until the new one is ready.
function draw(element, address) {
  const attribute = element.matches("source") ? "srcset" : "src";
  if (element[attribute] === address) return;
  const ready = new Image();
  ready.onload = () => { element[attribute] = address; };
  ready.src = address;
}
