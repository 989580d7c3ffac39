// Puts the pieces of the page that the server sends into their places. The server has escaped every value
// in them; nothing is made of caller's data here.
"use strict";

const ENDED_MAX = 200;
const SILENCE_MS_MAX = 25_000; // the server says something every ten seconds
const RETRY_MS = 2_000;

const board = document.getElementById("board");
const link = document.getElementById("link");
const announcer = document.getElementById("announcer");
const announced = new Map();
let source;
let silence;

function connect() {
  source = new EventSource("/events?as=html");
  source.onopen = heard;
  source.onerror = lost;
  listen("tick", () => {});
  listen("board", (html) => board.replaceChildren(pieces(html)));
  listen("live", (html) => {
    const card = pieces(html).firstElementChild;
    const shown = document.getElementById(card.id);
    if (shown) shown.replaceWith(card);
    else document.querySelector("#live .empty").after(card);
  });
  listen("ended", (html) => {
    const row = pieces(html).firstElementChild;
    document.getElementById(row.id)?.remove();
    document.querySelector("#ended .empty").after(row);
    document.querySelectorAll("#ended tr:not(.empty)").forEach((old, place) => place >= ENDED_MAX && old.remove());
  });
  listen("gone", (id) => document.getElementById(`call-${id}`)?.remove());
  heardBy(SILENCE_MS_MAX);
}

function listen(name, show) {
  source.addEventListener(name, ({ data }) => {
    show(data);
    heard();
    settle();
  });
}

// A template's content is inert until it is put into the page.
function pieces(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function heard() {
  document.body.classList.remove("stale");
  say(link, "Live");
  heardBy(SILENCE_MS_MAX);
}

function lost() {
  document.body.classList.add("stale");
  say(link, "Connection lost. What you see may be out of date. Reconnecting…");
  // The browser retries a broken connection by itself, but neither a refused nor a silent one.
  if (source.readyState === EventSource.CLOSED) heardBy(RETRY_MS);
  leaveIfLoggedOut();
}

async function leaveIfLoggedOut() {
  const answer = await fetch("/", { method: "HEAD", redirect: "manual" }).catch(() => undefined);
  if (answer?.type === "opaqueredirect") location.assign("/login");
}

function heardBy(milliseconds) {
  clearTimeout(silence);
  silence = setTimeout(() => {
    source.close();
    lost();
    clearTimeout(silence);
    connect();
  }, milliseconds);
}

function settle() {
  const cards = document.querySelectorAll("#live .card");
  document.title = `${cards.length ? `(${cards.length}) ` : ""}Calls · Portero`;
  for (const time of document.querySelectorAll("time:not([title])")) {
    const at = new Date(time.dateTime);
    time.textContent = at.toLocaleTimeString([], { timeStyle: "short" in time.dataset ? "short" : "medium" });
    time.title = at.toLocaleString();
  }
  for (const { id, dataset } of cards) {
    if (dataset.say && announced.get(id) !== dataset.say) say(announcer, dataset.say);
    if (dataset.say) announced.set(id, dataset.say);
  }
  for (const id of announced.keys()) if (!document.querySelector(`#live #${id}`)) announced.delete(id);
  tell();
}

function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function tell() {
  for (const place of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(place.dataset.since)) / 1000));
    place.textContent = ` · ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

connect();
settle();
setInterval(tell, 1000);
