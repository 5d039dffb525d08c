/** How the result page looks. It is allowed by its hash: nothing else may style the page. */
export const style = `
:root { --ground: #eef1f5; --card: #ffffff; --ink: #16202c; --soft: #566475; --line: #dfe4ea; --tone: #1a7f4b; --wash: #e2f4ea; }
.refused { --tone: #b3362b; --wash: #fbe7e5; }
.late { --tone: #9a6100; --wash: #fbf0dc; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151b; --card: #1a222c; --ink: #e9eef4; --soft: #9dabba; --line: #2d3844; --tone: #5fd39a; --wash: #173527; }
  .refused { --tone: #ff8d80; --wash: #3d201e; }
  .late { --tone: #f0bd62; --wash: #392c14; }
}
* { box-sizing: border-box; margin: 0; }
body { min-height: 100vh; display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 1.25rem; padding: 1.25rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { width: 100%; max-width: 30rem; padding: 2.5rem 2.25rem 2.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem;
  box-shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 12px 32px rgb(16 24 40 / 8%); text-align: center; }
svg { display: block; width: 4rem; height: 4rem; margin: 0 auto 1.25rem; padding: 1.05rem; border-radius: 50%; background: var(--wash);
  fill: none; stroke: var(--tone); stroke-width: 2.6; stroke-linecap: round; stroke-linejoin: round; }
h1 { margin-bottom: .5rem; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; text-wrap: balance; }
p { color: var(--soft); text-wrap: pretty; }
dl { margin: 1.5rem 0; border: 1px solid var(--line); border-radius: .625rem; text-align: left; }
dl div { display: flex; gap: 1rem; padding: .7rem 1rem; }
dl div + div { border-top: 1px solid var(--line); }
dt { flex: 0 0 4.5rem; color: var(--soft); }
dd { flex: 1; min-width: 0; overflow-wrap: anywhere; font-weight: 500; }
.next { margin-top: 1.5rem; color: var(--ink); font-weight: 600; }
dl + .next { margin-top: 0; }
footer { color: var(--soft); font-size: .875rem; }
@media (max-width: 26rem) {
  main { padding: 2rem 1.25rem 1.75rem; }
  dl div { flex-direction: column; gap: .1rem; }
  dt { flex: none; font-size: .875rem; }
}
`

/** Drawn in the page: it may load nothing. */
export const icons = {
  done: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 12.8 9.4 18 20 6.6"/></svg>',
  refused:
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M5.5 5.5l13 13m0-13-13 13"/></svg>',
  late: '<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="9.5"/><path d="M12 6.5V12l3.5 2.5"/></svg>',
} as const
