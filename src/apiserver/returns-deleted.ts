/** `group/resource` of kinds whose delete answers with the object even when it is gone at once; others: a Status. */
export const returnsDeleted = new Set([
  '/pods',
  '/services',
  '/serviceaccounts',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/resourcequotas',
]);
