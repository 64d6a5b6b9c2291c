/** Who has to act; the seller reads SREs as "our operations team". */
export type WhoActs = 'nobody' | 'seller' | 'admin' | 'shop' | 'sre'
