// Selectors to make others of.
export const labelCorpus = ['a=b,c!=d', 'e in (f,g),!h', 'i notin (j)', 'k', 'example.com/l==m', 'n>1,o<2', 'x in (,)'];
export const labelWords = ['=', '==', '!=', '!', ' in ', ' notin ', '(', ')', ',', '>', '<', ' ', 'a', '/', '.', '-'];
export const fieldCorpus = ['metadata.name=a', 'spec.nodeName!=b,status.phase==Running', 'a=b\\,c', 'x\\==y', '', ','];
export const fieldWords = ['=', '==', '!=', ',', '\\', '\\,', '\\=', 'a'];
