import { createElement, Fragment, type Key, type ReactNode } from 'react'

/**
 * Stands in for `react/jsx-runtime` in the libraries that are bundled: Grafana 12.2 does not share the real one, and a
 * bundled one of React 18 crashes under React 19. `createElement` is in both, and is Grafana's own.
 */
type Props = { children?: ReactNode } & Record<string, unknown>

export const jsx = (type: string, props: Props, key?: Key) =>
  createElement(type, key === undefined ? props : { ...props, key })

export function jsxs(type: string, { children, ...props }: Props, key?: Key) {
  return createElement(type, key === undefined ? props : { ...props, key }, ...(children as ReactNode[]))
}

export { Fragment }
