/** The most products that the beginning of a SKU stands for; who wants one of them types another letter. */
export const PRODUCTS_A_PREFIX = 200
