/** Text as people compare it, as the server's search has it: case, width, accents' forms, ligatures and what cannot be seen make no difference. */
export const fold = (s: string) =>
  s.normalize('NFKD').replace(/\p{Default_Ignorable_Code_Point}/gu, '').toUpperCase().toLowerCase().replace(/ς/g, 'σ').replace(/i\u0307/g, 'i').normalize('NFKC')
