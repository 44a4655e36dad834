/* SPDX-License-Identifier: ISC */
/* The texts of reports in the languages that are built in. Lines have at most 76 columns, as a mail reader shows them. */
#include "queue/bounce_words.h"

/* clang-format off */
const struct bounce_language bounce_languages[] = {
[CONFIG_LANGUAGE_ENGLISH] = {
	.subjects = {
		[BOUNCE_SUBJECT_FAILED] = "Your message could not be delivered",
		[BOUNCE_SUBJECT_DELAYED] = "Your message is delayed",
		[BOUNCE_SUBJECT_DELIVERED] = "Your message was delivered",
		[BOUNCE_SUBJECT_RELAYED] = "Your message was passed on",
		[BOUNCE_SUBJECT_MIXED] = "What became of your message",
	},
	.intro = "This is the mail server {hostname}.\n",
	.texts = {
		[BOUNCE_FAILED] = {
			"Your message of {arrival} did not reach this recipient,\n"
			"and no further attempt will be made. Please read what is said below, and\n"
			"send it again once the cause is gone or the address is corrected.\n\n{recipients}\n",
			"Your message of {arrival} did not reach these recipients,\n"
			"and no further attempt will be made. Please read what is said below, and\n"
			"send it again once the cause is gone or the address is corrected.\n\n{recipients}\n",
		},
		[BOUNCE_DELAYED] = {
			"Your message of {arrival} has not reached this recipient yet.\n"
			"You need not do anything: it will be tried again, so please do not send it\na second time.\n\n{recipients}\n",
			"Your message of {arrival} has not reached these recipients yet.\n"
			"You need not do anything: it will be tried again, so please do not send it\na second time.\n\n{recipients}\n",
		},
		[BOUNCE_DELIVERED] = {
			"Your message of {arrival} was delivered to this recipient,\n"
			"and you asked to be told. You need not do anything.\n\n{recipients}\n",
			"Your message of {arrival} was delivered to these recipients,\n"
			"and you asked to be told. You need not do anything.\n\n{recipients}\n",
		},
		[BOUNCE_RELAYED] = {
			"Your message of {arrival} was passed on for this recipient,\n"
			"to a server that does not report success. You need not do anything; no\n"
			"further word will come, unless delivery fails there.\n\n{recipients}\n",
			"Your message of {arrival} was passed on for these recipients,\n"
			"to servers that do not report success. You need not do anything; no\n"
			"further word will come, unless delivery fails there.\n\n{recipients}\n",
		},
	},
	.phrases = {
		[BOUNCE_PHRASE_REFUSED_BY] = "was refused. The server {hop} said:",
		[BOUNCE_PHRASE_REFUSED] = "was refused:",
		[BOUNCE_PHRASE_REFUSED_SILENT] = "was refused.",
		[BOUNCE_PHRASE_EXPIRED_ONCE] = "was tried 1 time since {arrival},\n    and is given up.",
		[BOUNCE_PHRASE_EXPIRED] = "was tried {tries} times since {arrival},\n    and is given up.",
		[BOUNCE_PHRASE_DELAYED] = "will be tried again.",
		[BOUNCE_PHRASE_DELAYED_UNTIL] = "will be tried until {until}.",
		[BOUNCE_PHRASE_DELIVERED] = "was delivered.",
		[BOUNCE_PHRASE_RELAYED_BY] = "was passed on to the server {hop}.",
		[BOUNCE_PHRASE_RELAYED] = "was passed on to another server.",
		[BOUNCE_PHRASE_ANSWER_BY] = "The last answer of {hop} was:",
		[BOUNCE_PHRASE_ANSWER] = "The last answer was:",
	},
	.more = "Further recipients, for which there is no room here: {more}.\n",
	.contact = "If you need help, write to {contact}.\n",
	.attached = { "The header of your message is attached.\n", "Your message is attached.\n" },
},
[CONFIG_LANGUAGE_GERMAN] = {
	.subjects = {
		[BOUNCE_SUBJECT_FAILED] = "Ihre Nachricht konnte nicht zugestellt werden",
		[BOUNCE_SUBJECT_DELAYED] = "Ihre Nachricht verspätet sich",
		[BOUNCE_SUBJECT_DELIVERED] = "Ihre Nachricht wurde zugestellt",
		[BOUNCE_SUBJECT_RELAYED] = "Ihre Nachricht wurde weitergeleitet",
		[BOUNCE_SUBJECT_MIXED] = "Was aus Ihrer Nachricht wurde",
	},
	.intro = "Dies ist der Mailserver {hostname}.\n",
	.texts = {
		[BOUNCE_FAILED] = {
			"Ihre Nachricht vom {arrival} hat diesen Empfänger nicht\n"
			"erreicht, und es wird nicht weiter versucht. Bitte lesen Sie, was unten\n"
			"steht, und senden Sie sie erneut, sobald die Ursache behoben oder die\n"
			"Adresse berichtigt ist.\n\n{recipients}\n",
			"Ihre Nachricht vom {arrival} hat diese Empfänger nicht\n"
			"erreicht, und es wird nicht weiter versucht. Bitte lesen Sie, was unten\n"
			"steht, und senden Sie sie erneut, sobald die Ursache behoben oder die\n"
			"Adresse berichtigt ist.\n\n{recipients}\n",
		},
		[BOUNCE_DELAYED] = {
			"Ihre Nachricht vom {arrival} hat diesen Empfänger noch\n"
			"nicht erreicht. Sie brauchen nichts zu tun: Die Zustellung wird weiter\n"
			"versucht; bitte senden Sie sie nicht noch einmal.\n\n{recipients}\n",
			"Ihre Nachricht vom {arrival} hat diese Empfänger noch\n"
			"nicht erreicht. Sie brauchen nichts zu tun: Die Zustellung wird weiter\n"
			"versucht; bitte senden Sie sie nicht noch einmal.\n\n{recipients}\n",
		},
		[BOUNCE_DELIVERED] = {
			"Ihre Nachricht vom {arrival} wurde diesem Empfänger\n"
			"zugestellt; Sie hatten um diese Auskunft gebeten. Sie brauchen nichts zu\ntun.\n\n{recipients}\n",
			"Ihre Nachricht vom {arrival} wurde diesen Empfängern\n"
			"zugestellt; Sie hatten um diese Auskunft gebeten. Sie brauchen nichts zu\ntun.\n\n{recipients}\n",
		},
		[BOUNCE_RELAYED] = {
			"Ihre Nachricht vom {arrival} wurde für diesen Empfänger an\n"
			"einen Server weitergeleitet, der Zustellungen nicht meldet. Sie brauchen\n"
			"nichts zu tun; es folgt keine weitere Nachricht, es sei denn, die\n"
			"Zustellung scheitert dort.\n\n{recipients}\n",
			"Ihre Nachricht vom {arrival} wurde für diese Empfänger an\n"
			"Server weitergeleitet, die Zustellungen nicht melden. Sie brauchen\n"
			"nichts zu tun; es folgt keine weitere Nachricht, es sei denn, die\n"
			"Zustellung scheitert dort.\n\n{recipients}\n",
		},
	},
	.phrases = {
		[BOUNCE_PHRASE_REFUSED_BY] = "wurde abgelehnt. Der Server {hop} sagte:",
		[BOUNCE_PHRASE_REFUSED] = "wurde abgelehnt:",
		[BOUNCE_PHRASE_REFUSED_SILENT] = "wurde abgelehnt.",
		[BOUNCE_PHRASE_EXPIRED_ONCE] = "wurde seit {arrival} einmal versucht\n    und wird aufgegeben.",
		[BOUNCE_PHRASE_EXPIRED] = "wurde seit {arrival} {tries}-mal versucht\n    und wird aufgegeben.",
		[BOUNCE_PHRASE_DELAYED] = "wird weiter versucht.",
		[BOUNCE_PHRASE_DELAYED_UNTIL] = "wird bis {until} weiter versucht.",
		[BOUNCE_PHRASE_DELIVERED] = "wurde zugestellt.",
		[BOUNCE_PHRASE_RELAYED_BY] = "wurde an den Server {hop} weitergeleitet.",
		[BOUNCE_PHRASE_RELAYED] = "wurde an einen anderen Server weitergeleitet.",
		[BOUNCE_PHRASE_ANSWER_BY] = "Die letzte Antwort von {hop} lautete:",
		[BOUNCE_PHRASE_ANSWER] = "Die letzte Antwort lautete:",
	},
	.more = "Weitere Empfänger, für die hier kein Platz ist: {more}.\n",
	.contact = "Wenn Sie Hilfe brauchen, schreiben Sie an {contact}.\n",
	.attached = { "Der Kopf Ihrer Nachricht ist angehängt.\n", "Ihre Nachricht ist angehängt.\n" },
},
[CONFIG_LANGUAGE_FRENCH] = {
	.subjects = {
		[BOUNCE_SUBJECT_FAILED] = "Votre message n'a pas pu être remis",
		[BOUNCE_SUBJECT_DELAYED] = "Votre message est retardé",
		[BOUNCE_SUBJECT_DELIVERED] = "Votre message a été remis",
		[BOUNCE_SUBJECT_RELAYED] = "Votre message a été transmis",
		[BOUNCE_SUBJECT_MIXED] = "Ce qu'il est advenu de votre message",
	},
	.intro = "Ici le serveur de messagerie {hostname}.\n",
	.texts = {
		[BOUNCE_FAILED] = {
			"Votre message du {arrival} n'est pas parvenu à ce\n"
			"destinataire, et il n'y aura pas d'autre tentative. Lisez ci-dessous ce qui\n"
			"en est dit, puis renvoyez-le une fois la cause écartée ou l'adresse\ncorrigée.\n\n{recipients}\n",
			"Votre message du {arrival} n'est pas parvenu à ces\n"
			"destinataires, et il n'y aura pas d'autre tentative. Lisez ci-dessous ce qui\n"
			"en est dit, puis renvoyez-le une fois la cause écartée ou l'adresse\ncorrigée.\n\n{recipients}\n",
		},
		[BOUNCE_DELAYED] = {
			"Votre message du {arrival} n'est pas encore parvenu à ce\n"
			"destinataire. Vous n'avez rien à faire : les tentatives continuent, ne le\n"
			"renvoyez donc pas.\n\n{recipients}\n",
			"Votre message du {arrival} n'est pas encore parvenu à ces\n"
			"destinataires. Vous n'avez rien à faire : les tentatives continuent, ne le\n"
			"renvoyez donc pas.\n\n{recipients}\n",
		},
		[BOUNCE_DELIVERED] = {
			"Votre message du {arrival} a été remis à ce destinataire,\n"
			"et vous aviez demandé à le savoir. Vous n'avez rien à faire.\n\n{recipients}\n",
			"Votre message du {arrival} a été remis à ces destinataires,\n"
			"et vous aviez demandé à le savoir. Vous n'avez rien à faire.\n\n{recipients}\n",
		},
		[BOUNCE_RELAYED] = {
			"Votre message du {arrival} a été transmis pour ce\n"
			"destinataire à un serveur qui ne signale pas les remises. Vous n'avez rien\n"
			"à faire ; il n'y aura pas d'autre avis, sauf si la remise y échoue.\n\n{recipients}\n",
			"Votre message du {arrival} a été transmis pour ces\n"
			"destinataires à des serveurs qui ne signalent pas les remises. Vous n'avez\n"
			"rien à faire ; il n'y aura pas d'autre avis, sauf si la remise y échoue.\n\n{recipients}\n",
		},
	},
	.phrases = {
		[BOUNCE_PHRASE_REFUSED_BY] = "a été refusé. Le serveur {hop} a dit :",
		[BOUNCE_PHRASE_REFUSED] = "a été refusé :",
		[BOUNCE_PHRASE_REFUSED_SILENT] = "a été refusé.",
		[BOUNCE_PHRASE_EXPIRED_ONCE] = "a été essayé une fois depuis {arrival}\n    et est abandonné.",
		[BOUNCE_PHRASE_EXPIRED] = "a été essayé {tries} fois depuis {arrival}\n    et est abandonné.",
		[BOUNCE_PHRASE_DELAYED] = "sera essayé de nouveau.",
		[BOUNCE_PHRASE_DELAYED_UNTIL] = "sera essayé jusqu'au {until}.",
		[BOUNCE_PHRASE_DELIVERED] = "a été remis.",
		[BOUNCE_PHRASE_RELAYED_BY] = "a été transmis au serveur {hop}.",
		[BOUNCE_PHRASE_RELAYED] = "a été transmis à un autre serveur.",
		[BOUNCE_PHRASE_ANSWER_BY] = "La dernière réponse de {hop} était :",
		[BOUNCE_PHRASE_ANSWER] = "La dernière réponse était :",
	},
	.more = "Autres destinataires, pour lesquels la place manque ici : {more}.\n",
	.contact = "Pour obtenir de l'aide, écrivez à {contact}.\n",
	.attached = { "L'en-tête de votre message est joint.\n", "Votre message est joint.\n" },
},
[CONFIG_LANGUAGE_SPANISH] = {
	.subjects = {
		[BOUNCE_SUBJECT_FAILED] = "No se pudo entregar su mensaje",
		[BOUNCE_SUBJECT_DELAYED] = "Su mensaje se retrasa",
		[BOUNCE_SUBJECT_DELIVERED] = "Su mensaje ha sido entregado",
		[BOUNCE_SUBJECT_RELAYED] = "Su mensaje ha sido transmitido",
		[BOUNCE_SUBJECT_MIXED] = "Qué ha sido de su mensaje",
	},
	.intro = "Este es el servidor de correo {hostname}.\n",
	.texts = {
		[BOUNCE_FAILED] = {
			"Su mensaje del {arrival} no ha llegado a este\n"
			"destinatario, y no se harán más intentos. Lea lo que se dice más abajo y\n"
			"vuelva a enviarlo cuando la causa haya desaparecido o la dirección esté\ncorregida.\n\n{recipients}\n",
			"Su mensaje del {arrival} no ha llegado a estos\n"
			"destinatarios, y no se harán más intentos. Lea lo que se dice más abajo y\n"
			"vuelva a enviarlo cuando la causa haya desaparecido o la dirección esté\ncorregida.\n\n{recipients}\n",
		},
		[BOUNCE_DELAYED] = {
			"Su mensaje del {arrival} aún no ha llegado a este\n"
			"destinatario. No tiene que hacer nada: se seguirá intentando; por favor, no\n"
			"lo envíe otra vez.\n\n{recipients}\n",
			"Su mensaje del {arrival} aún no ha llegado a estos\n"
			"destinatarios. No tiene que hacer nada: se seguirá intentando; por favor, no\n"
			"lo envíe otra vez.\n\n{recipients}\n",
		},
		[BOUNCE_DELIVERED] = {
			"Su mensaje del {arrival} ha sido entregado a este\n"
			"destinatario, de lo que usted pidió aviso. No tiene que hacer nada.\n\n{recipients}\n",
			"Su mensaje del {arrival} ha sido entregado a estos\n"
			"destinatarios, de lo que usted pidió aviso. No tiene que hacer nada.\n\n{recipients}\n",
		},
		[BOUNCE_RELAYED] = {
			"Su mensaje del {arrival} ha sido transmitido, para este\n"
			"destinatario, a un servidor que no informa de las entregas. No tiene que\n"
			"hacer nada; no habrá más avisos, salvo que la entrega falle allí.\n\n{recipients}\n",
			"Su mensaje del {arrival} ha sido transmitido, para estos\n"
			"destinatarios, a servidores que no informan de las entregas. No tiene que\n"
			"hacer nada; no habrá más avisos, salvo que la entrega falle allí.\n\n{recipients}\n",
		},
	},
	.phrases = {
		[BOUNCE_PHRASE_REFUSED_BY] = "fue rechazado. El servidor {hop} dijo:",
		[BOUNCE_PHRASE_REFUSED] = "fue rechazado:",
		[BOUNCE_PHRASE_REFUSED_SILENT] = "fue rechazado.",
		[BOUNCE_PHRASE_EXPIRED_ONCE] = "se intentó una vez desde {arrival}\n    y se abandona.",
		[BOUNCE_PHRASE_EXPIRED] = "se intentó {tries} veces desde {arrival}\n    y se abandona.",
		[BOUNCE_PHRASE_DELAYED] = "se volverá a intentar.",
		[BOUNCE_PHRASE_DELAYED_UNTIL] = "se intentará hasta {until}.",
		[BOUNCE_PHRASE_DELIVERED] = "fue entregado.",
		[BOUNCE_PHRASE_RELAYED_BY] = "fue transmitido al servidor {hop}.",
		[BOUNCE_PHRASE_RELAYED] = "fue transmitido a otro servidor.",
		[BOUNCE_PHRASE_ANSWER_BY] = "La última respuesta de {hop} fue:",
		[BOUNCE_PHRASE_ANSWER] = "La última respuesta fue:",
	},
	.more = "Otros destinatarios, para los que aquí no hay sitio: {more}.\n",
	.contact = "Si necesita ayuda, escriba a {contact}.\n",
	.attached = { "Se adjunta la cabecera de su mensaje.\n", "Se adjunta su mensaje.\n" },
},
};
/* clang-format on */
