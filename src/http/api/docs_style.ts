/** The style of the API's page: as the status page's, light and dark, and down to a phone's width. */
export const DOCS_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f5;
  --card: #ffffff;
  --ink: #1c2421;
  --soft: #5a6661;
  --line: #dfe4e0;
  --accent: #17674f;
  --tint: #e6f1ec;
  --change: #8a5400;
  --bad: #b3362b;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121614;
    --card: #1a1f1d;
    --ink: #e7ece9;
    --soft: #9ba8a2;
    --line: #2d3531;
    --accent: #74cbae;
    --tint: #1e2f29;
    --change: #e2ab4f;
    --bad: #f08b7f;
  }
}
*, ::before, ::after { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0 auto;
  max-width: 78rem;
  padding: 1.5rem;
  background: var(--page);
  color: var(--ink);
  font: 400 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: break-word;
  -webkit-text-size-adjust: 100%;
}
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
header p { max-width: 46rem; }
.facts, dt span { color: var(--soft); }
a { color: var(--accent); }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code, pre { font-family: var(--mono); font-size: 0.875em; }
nav h2, section > h2 { margin: 1.5rem 0 0.5rem; font-size: 1.125rem; text-transform: capitalize; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav a { display: flex; padding: 0.25rem 0; color: inherit; text-decoration: none; }
nav a:hover code { text-decoration: underline; }
.method { flex: none; display: inline-block; min-width: 3.6rem; font: 700 0.75rem/1.4 var(--mono); color: var(--accent); }
.post { color: var(--change); }
.delete { color: var(--bad); }
article {
  margin: 0 0 1.25rem;
  padding: 1rem 1.25rem;
  border: 1px solid var(--line);
  border-radius: 0.75rem;
  background: var(--card);
}
article:target { border-color: var(--accent); }
h3 { margin: 0; font-size: 1.0625rem; }
h4 { margin: 1rem 0 0.25rem; font-size: 0.875rem; color: var(--soft); }
p { margin: 0.5rem 0; }
.path { margin-top: 0.25rem; }
dl { margin: 0; }
dl dl { margin: 0.5rem 0; padding-left: 0.75rem; border-left: 2px solid var(--line); }
dt { margin-top: 0.375rem; }
dt span { font-size: 0.875rem; }
dd { margin: 0 0 0 1rem; font-size: 0.9375rem; }
pre {
  margin: 0.25rem 0 0;
  padding: 0.625rem 0.75rem;
  border-radius: 0.5rem;
  background: var(--tint);
  overflow-x: auto;
}
@media (min-width: 62rem) {
  body { display: grid; grid-template-columns: 21rem minmax(0, 1fr); column-gap: 2.5rem; }
  header { grid-column: 1 / -1; }
  nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding-bottom: 2rem; }
}
`;
