/** What the demo sells, and who sells it. All of it is invented. */

export interface Department {
  /** Three letters in every Shop SKU of the department. */
  code: string
  attributeSet: string
  categories: readonly string[]
  nouns: readonly string[]
  materials: readonly string[]
  sizes: readonly string[]
  /** The range of regular prices. */
  price: readonly [low: number, high: number]
}

export const DEPARTMENTS: readonly Department[] = [
  {
    code: 'APP',
    attributeSet: 'apparel',
    categories: ['Clothing', 'New in'],
    nouns: [
      'Shirt',
      'Blouse',
      'Jumper',
      'Cardigan',
      'Summer Dress',
      'Rain Jacket',
      'Trousers',
      'Skirt',
      'Tunic',
      'Pyjamas',
    ],
    materials: ['Cotton', 'Linen', 'Merino', 'Viscose', 'Jersey', 'Denim'],
    sizes: ['XS', 'S', 'M', 'L', 'XL', 'XXL'],
    price: [12, 140],
  },
  {
    code: 'SHO',
    attributeSet: 'shoes',
    categories: ['Shoes', 'Outdoor'],
    nouns: ['Sneaker', 'Loafer', 'Ankle Boot', 'Sandal', 'Running Shoe', 'Hiking Boot', 'Slipper'],
    materials: ['Leather', 'Suede', 'Canvas', 'Mesh'],
    sizes: ['36', '37', '38', '39', '40', '41', '42', '43', '44'],
    price: [25, 210],
  },
  {
    code: 'HOM',
    attributeSet: 'home',
    categories: ['Home', 'Gifts'],
    nouns: ['Table Lamp', 'Cushion', 'Throw', 'Vase', 'Serving Bowl', 'Rug', 'Candle Holder', 'Wall Clock'],
    materials: ['Oak', 'Stoneware', 'Brass', 'Wool', 'Glass', 'Rattan'],
    sizes: ['Small', 'Medium', 'Large'],
    price: [8, 260],
  },
  {
    code: 'BAG',
    attributeSet: 'bags',
    categories: ['Bags', 'Travel'],
    nouns: ['Backpack', 'Tote', 'Weekender', 'Wallet', 'Laptop Sleeve', 'Crossbody Bag'],
    materials: ['Leather', 'Canvas', 'Recycled Nylon', 'Felt'],
    sizes: ['One size'],
    price: [15, 320],
  },
]

export const COLOURS = [
  'Black',
  'Navy',
  'Sand',
  'Olive',
  'Terracotta',
  'White',
  'Burgundy',
  'Teal',
  'Grey',
  'Mustard',
] as const
export const STYLES = [
  'Classic',
  'Relaxed',
  'Everyday',
  'Coastal',
  'Studio',
  'Heritage',
  'Slim',
  'Weekend',
  'Urban',
  'Soft',
] as const
export const CARE = [
  'Machine wash at 30 °C.',
  'Wipe clean with a damp cloth.',
  'Made to last, and easy to repair.',
  'Comes in a box made of recycled cardboard.',
  'Designed in-house and made in small batches.',
  'Keep away from direct sunlight.',
] as const

/** The first has two fifths of the catalogue and makes half of the changes: it must not starve the others. */
export const SELLERS = [
  { name: 'Sphinx Department Store', code: 'SP', share: 40 },
  { name: 'Nile Textiles', code: 'NT', share: 9 },
  { name: 'Delta Footwear', code: 'DF', share: 8 },
  { name: 'Lotus Home', code: 'LH', share: 7 },
  { name: 'Karnak Leather Goods', code: 'KL', share: 7 },
  { name: 'Blue Felucca', code: 'BF', share: 6 },
  { name: 'Sinai Outdoor', code: 'SO', share: 6 },
  { name: 'Papyrus & Co', code: 'PC', share: 5 },
  { name: 'Zamalek Kids', code: 'ZK', share: 4 },
  { name: 'Siwa Weavers', code: 'SW', share: 3 },
  { name: 'Corniche Fashion', code: 'CF', share: 3 },
  { name: 'Old Bazaar Trading', code: 'OB', share: 2 },
] as const

/** This seller has closed its shop: its items cannot be requeued. */
export const INACTIVE_SELLER = 'Old Bazaar Trading'
