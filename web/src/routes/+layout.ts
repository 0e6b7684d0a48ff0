// Everything is rendered in the browser, from the public API.
export const ssr = false;
export const prerender = false;
