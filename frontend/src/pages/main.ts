/** The researcher's pages: styles, and the little behaviour that HTML does not bring. */
import "@fontsource-variable/inter/index.css";
import "bootstrap/dist/css/bootstrap.min.css";
import "bootstrap/js/dist/collapse";
import "bootstrap/js/dist/dropdown";
import htmx from "htmx.org";
import "./tokens.css";
import "./pages.css";

// Strict content security: no injected style element, no evaluated attributes.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
htmx.config.selfRequestsOnly = true;

// Every request that htmx makes carries Django's token from the page's head.
document.body.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector<HTMLMetaElement>("meta[name=csrf-token]")?.content;
  if (token) (event as CustomEvent).detail.headers["X-CSRFToken"] = token;
});

// Dark follows the system; Bootstrap needs to be told.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = (): void => {
  document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light";
};
dark.addEventListener("change", follow);
follow();

// Progress bars carry their share as data: a style attribute would need a looser policy.
const fill = (root: ParentNode): void => {
  root.querySelectorAll<HTMLElement>("[data-percent]").forEach((bar) => {
    bar.style.width = `${bar.dataset.percent}%`;
  });
};
fill(document);
document.body.addEventListener("htmx:afterSwap", (event) => fill(event.target as HTMLElement));

// "Copy" buttons.
document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>("button[data-copy]");
  if (!button?.dataset.copy) return;
  void navigator.clipboard.writeText(button.dataset.copy).then(() => {
    button.textContent = "Copied";
  });
});
