import { createElement, Fragment, type Key, type ReactNode } from 'react'

/**
 * Replaces `react/jsx-runtime` in bundled libraries. Grafana 12.2 does not share the real one, and a bundled one of
 * React 18 crashes under React 19. Both have `createElement`, and this one is Grafana's own.
 */
type Props = { children?: ReactNode } & Record<string, unknown>

export const jsx = (type: string, props: Props, key?: Key) =>
  createElement(type, key === undefined ? props : { ...props, key })

export function jsxs(type: string, { children, ...props }: Props, key?: Key) {
  return createElement(type, key === undefined ? props : { ...props, key }, ...(children as ReactNode[]))
}

export { Fragment }
