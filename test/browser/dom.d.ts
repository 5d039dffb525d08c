// playwright-core's types name some of the browser's. The whole of TypeScript's library for them would
// let code of ours that runs in Node use what only browsers have.
interface Node {
  readonly nodeName: string
}
interface HTMLElement extends Node {
  readonly innerText: string
}
interface SVGElement extends Node {
  readonly ownerSVGElement: unknown
}
interface HTMLElementTagNameMap {
  readonly main: HTMLElement
}
