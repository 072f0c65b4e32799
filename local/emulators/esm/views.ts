// Templates and cards as the API prints them.
import type { EsmCards } from './cards.ts';
import { newest, type EsmCard, type EsmTemplate, type EsmUser, type EsmValue } from './model.ts';

export function templateView(template: EsmTemplate): unknown {
  return {
    name: template.name,
    code: template.code,
    allowedFolders: template.folders,
    attributes: Object.fromEntries(
      Object.entries(template.attributes).map(
        ([code, { name, type, multiValue = false, file = false, values, target }]) => [
          code,
          {
            name,
            type,
            multiValue,
            file,
            ...(values === undefined ? {} : { values }),
            ...(target === undefined ? {} : { target }),
          },
        ],
      ),
    ),
  };
}

export const infoView = (cards: EsmCards, card: EsmCard): unknown => ({
  dataCardId: card.dataCardId,
  name: cards.nameOf(card),
  url: `/dc/${card.templateCode}/data/${card.dataCardId}`,
});

/** `selected` as in `selectedAttributes`; all if empty. Read as it is now, also on a page that an old index found. */
export function cardView(
  cards: EsmCards,
  card: EsmCard,
  user: EsmUser,
  selected: readonly string[],
): unknown {
  const template = cards.templates.get(card.templateCode);
  const { folderCode, hidden, deleted } = newest(card);
  const codes = Object.keys(template?.attributes ?? {}).filter(
    (code) => selected.length === 0 || selected.includes(code),
  );
  return {
    name: cards.nameOf(card),
    dataCardId: card.dataCardId,
    templateName: template?.name,
    templateCode: card.templateCode,
    templateId: '1',
    folderName: template?.folders.find((folder) => folder.folderCode === folderCode)?.folderName,
    folderCode,
    data: Object.fromEntries(codes.map((code) => [code, elementView(cards, card, user, code)])),
    hidden,
    deleted,
  };
}

/** One attribute; empty if there is nothing, or if the user may not see it. */
export function elementView(cards: EsmCards, card: EsmCard, user: EsmUser, code: string): unknown {
  const attribute = cards.templates.get(card.templateCode)?.attributes[code];
  const isUnseen = user.unseen?.includes(`${card.templateCode}.${code}`) === true;
  const values = isUnseen ? [] : (newest(card).data[code] ?? []);
  return {
    name: attribute?.name,
    type: attribute?.type,
    values: attribute?.type === 'reference' ? values.map((value) => referenceView(cards, value)) : values,
  };
}

function referenceView(cards: EsmCards, { dataCardId = '' }: EsmValue): unknown {
  const target = cards.get(dataCardId);
  if (target === undefined) return { dataCardId, name: '' };
  const { hidden, deleted } = newest(target);
  return {
    dataCardId,
    name: cards.nameOf(target),
    templateName: cards.templates.get(target.templateCode)?.name,
    templateCode: target.templateCode,
    url: `/dc/${target.templateCode}/data/${dataCardId}`,
    hidden,
    deleted,
  };
}
