import { Combobox, type ComboboxOption } from '@grafana/ui'
import React, { useMemo, useRef } from 'react'
import { findSellers, useSearch } from '../../api/products.ts'

/** A seller, suggested by any part of his name or by his id; what is typed may also be taken as it is. */
export function SellerChoice({
  value,
  onChange,
}: {
  value: string | undefined
  onChange(value: string | undefined): void
}) {
  // a link has the id only
  const { data } = useSearch(value !== undefined && /^\d+$/.test(value) ? value : '')
  const seller = data?.sellers.find(({ id }) => id === value)
  // The box repeats a choice whenever its value becomes another object, with the handler of the moment of the choice.
  const latest = useRef(value)
  latest.current = value
  const option = useMemo(() => (seller ? optionOf(seller) : (value ?? null)), [seller, value])
  return (
    <Combobox
      aria-label="Seller"
      placeholder="Seller, by name or id"
      width={28}
      isClearable
      createCustomValue
      options={suggested}
      value={option}
      onChange={(chosen) => {
        const next = chosen?.value.trim() || undefined
        if (next !== latest.current) onChange(next)
      }}
    />
  )
}

const suggested = async (typed: string): Promise<ComboboxOption<string>[]> =>
  typed.trim() === '' ? [] : (await findSellers(typed.trim())).map(optionOf)

const optionOf = ({ id, name, active }: Awaited<ReturnType<typeof findSellers>>[number]): ComboboxOption<string> => ({
  value: id,
  label: name,
  description: `Seller ${id}${active ? '' : ', not active'}`,
})
