/** Of one kind: pairs may be countless, and the headers of an answer have no room for more. */
export const mostWarnings = 100;
